// Programs of the system as a test wants them to answer: shell scripts put first in PATH.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace calsweep::testing {

/// A folder of programs before everything else in PATH, while it lives.
class PlayedPrograms {
 public:
  PlayedPrograms() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "calsweep-programs-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", (folder_.string() + ":" + old_path_).c_str(), 1);
  }
  ~PlayedPrograms() {
    ::setenv("PATH", old_path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }
  PlayedPrograms(const PlayedPrograms&) = delete;
  PlayedPrograms& operator=(const PlayedPrograms&) = delete;
  void add(const std::string& name, const std::string& script) const {
    std::ofstream(folder_ / name) << "#!/bin/sh\n" << script << "\n";
    ::chmod((folder_ / name).c_str(), 0755);
  }

 private:
  std::filesystem::path folder_;
  std::string old_path_;
};

}  // namespace calsweep::testing
