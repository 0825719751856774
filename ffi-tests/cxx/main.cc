/* Runs the cases of all files that are linked in. */
#include "tap.hpp"

int main()
{
    return bt_main(tap::cases().data(), tap::cases().size());
}
