// SHA-256 of content that comes in pieces. For a whole text at once see sha256_hex in ids.hpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace calsweep {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(const void* bytes, std::size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  /// 64 lower-case hexadecimal digits of everything so far. Call once, at the end.
  std::string hex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace calsweep
