/* The file without exceptions: see throwing.cc. */
#include "bowline.hpp"

extern "C" bool the_other_file(bowline_config *config);

bool the_other_file(bowline_config *config)
{
    static_assert(BOWLINE_HPP_THROWS == 0);
    bowline::config borrowed(config);
    const auto outcome = borrowed.set("no.key", "1");
    static_cast<void>(borrowed.release());
    return outcome.code() == BOWLINE_E_NOT_FOUND;
}
