# What keeps a clean build short; nothing here changes what a program does.
#
# Most of the time goes into reading the same headers and into debug information. Line numbers are
# enough of the latter for a backtrace; the preset "debug" has all of it.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

# ccache serves precompiled headers badly, so each is the default where the other is missing.
if(CALSWEEP_CCACHE)
  set(_precompile OFF)
else()
  set(_precompile ON)
endif()
option(CALSWEEP_PCH "Precompile the headers that most files include" ${_precompile})

if(CALSWEEP_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of std::string's own code (GCC bug 105651), and in precompiled headers it forgets that this is a
  # system's. Without them the warnings stand.
  add_compile_options(-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-free-nonheap-object -Wno-maybe-uninitialized)
endif()

# calsweep_precompile(TARGET HEADER …): these headers are compiled once for all files of the target.
function(calsweep_precompile target)
  if(CALSWEEP_PCH)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()
