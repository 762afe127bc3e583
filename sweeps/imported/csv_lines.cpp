#include "sweeps/imported/csv_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "sweeps/errors.hpp"

namespace calsweep::imported {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
constexpr std::size_t kLongestLine = std::size_t{16} << 20;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

CsvLines::CsvLines(const std::filesystem::path& file, std::string name)
    : stream_(file, std::ios::binary), name_(std::move(name)) {
  if (!stream_) throw IoError("cannot open " + file.string());
  fill();
  if (buffer_.starts_with("\xEF\xBB\xBF")) begin_ = 3;  // a byte order mark, as Excel writes it
}

// Drops what was given out and reads on; false if there is nothing more.
bool CsvLines::fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  if (at_end_) return false;
  const std::size_t had = buffer_.size();
  buffer_.resize(had + kBlockBytes);
  stream_.read(buffer_.data() + had, static_cast<std::streamsize>(kBlockBytes));
  const auto n = static_cast<std::size_t>(stream_.gcount());
  buffer_.resize(had + n);
  if (stream_.bad()) throw IoError("cannot read " + name_);
  at_end_ = n < kBlockBytes;
  return n > 0;
}

bool CsvLines::next(std::string_view& line) {
  std::size_t end = buffer_.find('\n', begin_);
  while (end == std::string::npos) {
    if (buffer_.size() - begin_ > kLongestLine) {
      throw FormatError(fmt::format("{}: line {} is longer than 16 MiB: this is no CSV file", name_,
                                    line_number_ + 1));
    }
    const std::size_t seen = buffer_.size() - begin_;
    if (!fill()) break;
    end = buffer_.find('\n', seen);
  }
  if (end == std::string::npos && begin_ == buffer_.size()) return false;
  const std::size_t stop = end == std::string::npos ? buffer_.size() : end;
  line = std::string_view(buffer_).substr(begin_, stop - begin_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  begin_ = end == std::string::npos ? buffer_.size() : end + 1;
  ++line_number_;
  check_text(line);
  return true;
}

void CsvLines::check_text(std::string_view line) const {
  const auto at = std::find_if(line.begin(), line.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t';
  });
  if (at == line.end()) return;
  if (*at == '\r') {
    throw FormatError(fmt::format(
        "{}: line {} holds a carriage return: end lines with \\n or \\r\\n", name_, line_number_));
  }
  throw FormatError(
      fmt::format("{}: line {} holds the byte 0x{:02x}, so this is no text: compressed files and "
                  "UTF-16 are not read; save it as UTF-8",
                  name_, line_number_, static_cast<unsigned char>(*at)));
}

bool split_fields(std::string_view line, std::vector<std::string>& fields) {
  fields.clear();
  std::size_t at = 0;
  while (true) {
    const auto start = line.find_first_not_of(" \t", at);
    if (start != std::string_view::npos && line[start] == '"') {
      std::string field;
      std::size_t i = start + 1;
      for (; i < line.size(); ++i) {
        if (line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"')
          ++i;
        else if (line[i] == '"')
          break;
        field += line[i];
      }
      if (i >= line.size()) return false;
      at = line.find(',', i);
      const auto behind = line.substr(i + 1, at == std::string_view::npos ? at : at - i - 1);
      if (!trimmed(behind).empty()) return false;
      fields.push_back(std::move(field));
    } else {
      const auto end = line.find(',', at);
      fields.emplace_back(trimmed(line.substr(at, end == std::string_view::npos ? end : end - at)));
      at = end;
    }
    if (at == std::string_view::npos) return true;
    ++at;
  }
}

bool parse_number(std::string_view text, double& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') return false;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (rest != end || text.empty()) return false;
  if (error == std::errc::result_out_of_range) {  // 1e-400 is zero, 1e400 infinite
    const auto e = text.find_first_of("eE");
    const bool tiny = e != std::string_view::npos && text.substr(e + 1).starts_with('-');
    value = tiny ? 0.0 : std::numeric_limits<double>::infinity();
    return true;
  }
  return error == std::errc();
}

bool parse_integer(std::string_view text, std::int64_t& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end && !text.empty();
}

}  // namespace calsweep::imported
