// The header of an .npy file.
#include <fmt/format.h>

#include <bit>
#include <cctype>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>

#include "sweeps/errors.hpp"
#include "sweeps/imported/npy_format.hpp"

namespace calsweep::imported {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kLongestHeader = std::size_t{1} << 20;

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw FormatError(fmt::format("{}: {}", name, why));
}

/// A Python dictionary of the three entries that the format allows, and of nothing else.
class DictionaryParser {
 public:
  DictionaryParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      if (!seen_.insert(key).second) damaged();
      expect(':');
      read_value(key);
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_blanks();
    if (at_ != text_.size() || seen_.size() != 3) damaged();
    return std::move(header_);
  }

 private:
  [[noreturn]] void damaged() const {
    refuse(name_, "its .npy header is damaged: save the array again with numpy.save");
  }

  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }

  bool accept(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) damaged();
  }

  std::string quoted() {
    skip_blanks();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) damaged();
    const auto end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) damaged();
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }

  void read_value(const std::string& key) {
    skip_blanks();
    if (key == "descr") {
      read_type();
    } else if (key == "fortran_order") {
      header_.fortran_order = boolean();
    } else if (key == "shape") {
      read_shape();
    } else {
      damaged();
    }
  }

  bool boolean() {
    for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += std::strlen(word);
      return value;
    }
    damaged();
  }

  void read_shape() {
    expect('(');
    while (!accept(')')) {
      skip_blanks();
      std::int64_t size = 0;
      const char* end = text_.data() + text_.size();
      const auto [rest, error] = std::from_chars(text_.data() + at_, end, size);
      if (error != std::errc() || size < 0) damaged();
      at_ = static_cast<std::size_t>(rest - text_.data());
      accept('L');  // Python 2 wrote 10L
      header_.shape.push_back(size);
      if (accept(',')) continue;
      expect(')');
      break;
    }
  }

  void read_type() {
    if (at_ < text_.size() && text_[at_] == '[') {
      refuse(name_,
             "it holds records with fields (a structured array): save one field as an array "
             "of its own, numpy.save(\"a.npy\", array[\"field\"])");
    }
    const std::string type = quoted();
    if (type.size() < 2) damaged();
    const std::string_view size_text = std::string_view(type).substr(2);
    std::size_t size = 0;
    const auto [rest, error] =
        std::from_chars(size_text.data(), size_text.data() + size_text.size(), size);
    if (type[1] == 'O') {
      refuse(name_,
             "it holds pickled Python objects, which are not read: save numbers, "
             "numpy.save(\"a.npy\", numpy.asarray(list_of_rows, dtype=\"float32\"))");
    }
    if (error != std::errc() || rest != size_text.data() + size_text.size()) {
      refuse_type(type);
    }
    set_type(type, size);
    const bool big = type[0] == '>';
    const bool native = type[0] == '=' || type[0] == '|' || size == 1;
    if (type[0] != '<' && !big && !native) damaged();
    header_.swapped = !native && big != (std::endian::native == std::endian::big);
  }

  void set_type(const std::string& type, std::size_t size) {
    const char letter = type[1];
    if (letter == 'f' && (size == 2 || size == 4 || size == 8)) {
      header_.kind = size == 2   ? NumberKind::Float16
                     : size == 4 ? NumberKind::Float32
                                 : NumberKind::Float64;
    } else if ((letter == 'i' || letter == 'u') &&
               (size == 1 || size == 2 || size == 4 || size == 8)) {
      header_.kind = NumberKind::Integer;
      header_.is_signed = letter == 'i';
    } else {
      refuse_type(type);
    }
    header_.element_bytes = size;
  }

  [[noreturn]] void refuse_type(const std::string& type) const {
    refuse(name_,
           fmt::format("its numbers are of the type '{}'; read are float16, float32, float64 "
                       "and integers: convert, as in array.astype(\"float32\")",
                       type));
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::set<std::string> seen_;
  NpyHeader header_;
};

}  // namespace

std::int64_t NpyHeader::n_elements() const {
  std::int64_t n = 1;
  for (const auto size : shape) n *= size;
  return n;
}

NpyHeader parse_npy_dictionary(std::string_view text, const std::string& name) {
  return DictionaryParser(text, name).parse();
}

NpyHeader read_npy_header(ByteSource& source, const std::string& name) {
  unsigned char start[12] = {};
  if (source.read(start, 8) != 8 || std::memcmp(start, kMagic.data(), kMagic.size()) != 0) {
    refuse(name, "it is no .npy file: it does not begin as numpy.save writes it");
  }
  const int version = start[6];
  if (version < 1 || version > 3) {
    refuse(name,
           fmt::format("it is an .npy file of version {}; versions 1 to 3 are read", version));
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  if (source.read(start + 8, length_bytes) != length_bytes) refuse(name, "it ends in its header");
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= std::size_t{start[8 + i]} << (8 * i);
  if (length > kLongestHeader) refuse(name, "its .npy header claims to be longer than 1 MiB");
  std::string text(length, '\0');
  if (source.read(text.data(), length) != length) refuse(name, "it ends in its header");
  NpyHeader header = parse_npy_dictionary(text, name);
  header.data_begin = static_cast<std::int64_t>(8 + length_bytes + length);
  return header;
}

}  // namespace calsweep::imported
