// Lines of a CSV file and their fields (RFC 4180 within one line: "…" quotes a field).
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace calsweep::imported {

class CsvLines {
 public:
  /// Throws IoError if it cannot be opened.
  CsvLines(const std::filesystem::path& file, std::string name);

  /// The next line without its end; false at the end of the file. Throws FormatError for a line of
  /// more than 16 MiB and for bytes that text does not have.
  bool next(std::string_view& line);
  /// Of the line that next() gave, from 1.
  std::int64_t line_number() const { return line_number_; }

 private:
  bool fill();
  void check_text(std::string_view line) const;

  std::ifstream stream_;
  std::string name_, buffer_;
  std::size_t begin_ = 0;
  std::int64_t line_number_ = 0;
  bool at_end_ = false;
};

/// Fields of a line, blanks around them removed, quotes too. False for an unclosed quote.
bool split_fields(std::string_view line, std::vector<std::string>& fields);

/// A decimal number or "nan", "inf"; false for everything else, such as "05", which is what follows
/// a decimal comma.
bool parse_number(std::string_view text, double& value);
bool parse_integer(std::string_view text, std::int64_t& value);

}  // namespace calsweep::imported
