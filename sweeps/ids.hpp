// Identities: distinct types for everything that is named by content or by number.
//
// A content id is the first 80 bits of a SHA-256, written as 20 hexadecimal digits.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace calsweep {

/// The first 80 bits of a SHA-256, tagged so that a trial id cannot be taken for a unit id.
template <class Tag>
class ContentId {
 public:
  static constexpr std::size_t kHexDigits = 20;

  ContentId() { digits_.fill('0'); }
  /// Hashes `content` with SHA-256.
  static ContentId of(std::string_view content);
  /// Throws FormatError unless `hex` is 20 lower-case hexadecimal digits.
  static ContentId from_hex(std::string_view hex);

  std::string_view hex() const { return {digits_.data(), digits_.size()}; }
  std::string str() const { return std::string(hex()); }
  bool is_zero() const { return *this == ContentId(); }
  auto operator<=>(const ContentId&) const = default;

 private:
  std::array<char, kHexDigits> digits_;
};

using TrialId = ContentId<struct TrialTag>;
using StageId = ContentId<struct StageTag>;
using UnitId = ContentId<struct UnitTag>;
/// A stack of networks, by its members: what a checkpoint belongs to.
using StackId = ContentId<struct StackTag>;

/// Fencing number of one try at a unit; larger is later, over the whole life of a run directory.
enum class Attempt : std::int64_t {};
constexpr std::int64_t number(Attempt attempt) { return static_cast<std::int64_t>(attempt); }

/// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view content);

}  // namespace calsweep

template <class Tag>
struct std::hash<calsweep::ContentId<Tag>> {
  std::size_t operator()(const calsweep::ContentId<Tag>& id) const {
    return std::hash<std::string_view>()(id.hex());
  }
};
