# ott_own: what every program of ours is compiled with, and no user ever sees.
add_library(ott_own INTERFACE)
target_compile_options(
  ott_own INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wfloat-conversion>
                    # nvcc's own preprocessing is not pedantic C++, so no -Wpedantic there
                    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
# Under sanitizers g++ 12 warns of things that are not so, in its own headers too.
if(OTT_WERROR AND NOT OTT_SANITIZE)
  target_compile_options(ott_own INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>
                                           $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()
if(OTT_SANITIZE)
  target_compile_options(
    ott_own INTERFACE -fsanitize=${OTT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(ott_own INTERFACE -Wno-maybe-uninitialized)
  target_link_options(ott_own INTERFACE -fsanitize=${OTT_SANITIZE})
endif()
