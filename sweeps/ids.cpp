#include "sweeps/ids.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "sweeps/errors.hpp"

namespace calsweep {

std::string sha256_hex(std::string_view content) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  const int ok =
      EVP_Digest(content.data(), content.size(), digest.data(), &length, EVP_sha256(), nullptr);
  CALSWEEP_CHECK(ok == 1 && length == 32, "SHA-256 is not available in this OpenSSL");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(64);
  for (unsigned int i = 0; i < length; ++i) {
    hex.push_back(kDigits[digest[i] >> 4]);
    hex.push_back(kDigits[digest[i] & 15]);
  }
  return hex;
}

template <class Tag>
ContentId<Tag> ContentId<Tag>::of(std::string_view content) {
  ContentId id;
  const std::string hex = sha256_hex(content);
  std::copy_n(hex.begin(), kHexDigits, id.digits_.begin());
  return id;
}

template <class Tag>
ContentId<Tag> ContentId<Tag>::from_hex(std::string_view hex) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (hex.size() != kHexDigits || !std::all_of(hex.begin(), hex.end(), is_digit)) {
    throw FormatError("'" + std::string(hex.substr(0, 40)) +
                      "' is not an id: expected 20 hexadecimal digits");
  }
  ContentId id;
  std::copy(hex.begin(), hex.end(), id.digits_.begin());
  return id;
}

template class ContentId<TrialTag>;
template class ContentId<StageTag>;
template class ContentId<UnitTag>;
template class ContentId<StackTag>;

}  // namespace calsweep
