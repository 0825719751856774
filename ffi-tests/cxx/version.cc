/* A program that was compiled with the header of the next minor: no first object is made. */
#include "bowline.h"

#undef BOWLINE_VERSION_NUMBER
#define BOWLINE_VERSION_NUMBER ((BOWLINE_VERSION_MAJOR << 16 | (BOWLINE_VERSION_MINOR + 1) << 8) | 0u)

#include "tap.hpp"

CASE(a_library_of_another_version_is_refused)
{
    FAILS(bowline::config::make(), BOWLINE_E_VERSION);
    FAILS(bowline::memnet::make(1), BOWLINE_E_VERSION);
    FAILS(bowline::keypair::generate(0), BOWLINE_E_VERSION);
    FAILS(bowline::keypair::from_seed({}), BOWLINE_E_VERSION);
    FAILS(bowline::keypair::load("/nowhere"), BOWLINE_E_VERSION);
    bowline::keypair key;
    FAILS(key.search(0, bowline::forever), BOWLINE_E_VERSION);
    CHECK(!key);
    CHECK_HAS(FAILS(bowline::config::make(), BOWLINE_E_VERSION).text(), "config::make");
}
