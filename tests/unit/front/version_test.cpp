#include <string>

#include <ott/version.hpp>
#include <support/catch.hpp>

TEST_CASE("version: the text is the numbers") {
  CHECK(std::string{OTT_VERSION} == std::to_string(OTT_VERSION_MAJOR) + "." +
                                        std::to_string(OTT_VERSION_MINOR) + "." +
                                        std::to_string(OTT_VERSION_PATCH));
}
