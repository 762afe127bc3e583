// The first 512 bytes of a unit file: text that says its format, size and checksum, so that the
// file proves itself without the ledger and without HDF5. See docs/unit-file.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace calsweep {

inline constexpr std::uint64_t kUserBlockBytes = 512;

struct UserBlock {
  int format = 0;
  std::string checksum;    ///< SHA-256 of everything behind the block
  std::int64_t bytes = 0;  ///< of the whole file
};

/// Throws FormatError for a file that is no unit file, has a format this program does not know or
/// another size than it says; IoError if it cannot be read.
UserBlock read_user_block(const std::filesystem::path& path);
/// Throws IoError.
void write_user_block(const std::filesystem::path& path, const UserBlock& block);
/// SHA-256 of the bytes behind the block. Throws IoError.
std::string checksum_behind_block(const std::filesystem::path& path);

/// Throws the FormatError for an unusable unit file, with what to do about it.
[[noreturn]] void refuse_unit_file(const std::filesystem::path& path, const std::string& why);

}  // namespace calsweep
