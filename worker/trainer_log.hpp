// The trainer's words for people: lines on stderr, which is a unit's log file once one has begun.
//
// LibTorch brings its own copy of fmt, so files that include it log through here and never see
// sweeps/log.hpp.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace calsweep::worker {

void log_info(std::string_view text);
void log_error(std::string_view text);

/// Appends stdout and stderr to `file` from now on, making its folder if need be. Throws IoError.
void redirect_output(const std::filesystem::path& file);

/// Now, as "2026-01-31T12:00:00Z".
std::string utc_now();
std::string host_name();

}  // namespace calsweep::worker
