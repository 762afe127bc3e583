# One interface target for how our own code is compiled; third-party headers are SYSTEM.
add_library(calsweep_options INTERFACE)
target_include_directories(calsweep_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(calsweep_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  $<$<BOOL:${CALSWEEP_WARNINGS_AS_ERRORS}>:-Werror>)
if(CALSWEEP_SANITIZE)
  target_compile_options(calsweep_options INTERFACE
    -fsanitize=${CALSWEEP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(calsweep_options INTERFACE -fsanitize=${CALSWEEP_SANITIZE})
endif()
