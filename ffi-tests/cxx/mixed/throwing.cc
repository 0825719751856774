/* One program of two files, one with exceptions and one without. Each must get its own half of the header. */
#include "bowline.hpp"

extern "C" bool the_other_file(bowline_config *config);

int main()
{
    static_assert(BOWLINE_HPP_THROWS == 1);
    bowline::config config = bowline::config::make();
    bool caught = false;
    try {
        config.set("no.key", "1");
    } catch (const bowline::error &failure) {
        caught = failure.code() == BOWLINE_E_NOT_FOUND;
    }
    const bool other = the_other_file(config.get());
    std::printf("caught: %d, returned: %d\n", caught, other);
    return caught && other ? 0 : 1;
}
