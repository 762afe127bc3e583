// Columns of a CSV file. Which ones: "a.csv:label", "a.csv:p0,p1,p2", "a.csv:p*" (all whose name
// begins so), or all, less the one that holds the labels. Columns are named by the first line, or
// numbered from 0 where there is none.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sweeps/errors.hpp"
#include "sweeps/imported/array_reader.hpp"
#include "sweeps/imported/csv_lines.hpp"
#include "sweeps/nearest_name.hpp"

namespace calsweep::imported {
namespace {

using Fields = std::vector<std::string>;

std::size_t count_numbers(const Fields& fields) {
  double ignored = 0;
  return static_cast<std::size_t>(
      std::count_if(fields.begin(), fields.end(),
                    [&](const auto& field) { return parse_number(field, ignored); }));
}

// What pandas writes above a table whose columns have no names.
bool counts_from_zero(const Fields& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i] != std::to_string(i)) return false;
  }
  return fields.size() > 1;
}

class CsvReader final : public ArrayReader {
 public:
  CsvReader(const std::filesystem::path& file, const std::string& columns,
            const OpenOptions& options, std::string name)
      : lines_(file, name) {
    description_ = {std::move(name), NumberKind::Text, {-1}};
    has_next_ = lines_.next(next_);
    if (!has_next_) refuse("it is empty");
    if (is_blank(next_)) refuse("its first line is empty");
    split(next_);
    if (fields_.size() == 1 && next_.find_first_of(";\t") != std::string_view::npos) {
      refuse("its fields are not divided by commas: write it with sep=\",\"");
    }
    read_header(options.header);
    n_fields_ = fields_.size();
    choose(columns, options.other_column);
    if (chosen_.size() > 1) description_.shape.push_back(static_cast<std::int64_t>(chosen_.size()));
  }

  std::size_t read(std::size_t max_rows, std::vector<double>& values) override {
    return read_block(max_rows, values,
                      [](const auto& text, double& value) { return parse_number(text, value); });
  }
  std::size_t read(std::size_t max_rows, std::vector<std::int64_t>& values) override {
    return read_block(max_rows, values, [](const auto& text, std::int64_t& value) {
      return parse_integer(text, value);
    });
  }
  std::string row_text(std::int64_t row) const override {
    return fmt::format("row {} (from 0; line {})", row, row + (has_header_ ? 2 : 1));
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw FormatError(fmt::format("{}: {}", name(), why));
  }

  static bool is_blank(std::string_view line) {
    return line.find_first_not_of(" \t") == std::string_view::npos;
  }

  void split(std::string_view line) {
    if (!split_fields(line, fields_)) {
      refuse(fmt::format("line {} has a quote that is not closed", lines_.line_number()));
    }
  }

  void read_header(std::optional<bool> declared) {
    const auto n_numbers = count_numbers(fields_);
    const bool mixed = n_numbers > 0 && n_numbers < fields_.size();
    if (!declared && (mixed || counts_from_zero(fields_))) {
      refuse(
          fmt::format("its first line ({}) may name the columns or be a row: say header = true "
                      "or header = false beside the file in the manifest",
                      next_.substr(0, 60)));
    }
    has_header_ = declared.value_or(n_numbers == 0);
    if (!has_header_) {
      for (std::size_t i = 0; i < fields_.size(); ++i) names_.push_back(std::to_string(i));
      return;
    }
    names_ = fields_;
    has_next_ = lines_.next(next_);
    if (!has_next_) refuse("it holds no rows below its header");
  }

  std::size_t column(const std::string& wanted) const {
    const auto n = std::count(names_.begin(), names_.end(), wanted);
    if (n == 1) {
      return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), wanted) -
                                      names_.begin());
    }
    if (n > 1) refuse(fmt::format("{} of its columns are called '{}'", n, wanted));
    refuse(fmt::format("it has no column '{}'; {}its columns{}: {}", wanted,
                       did_you_mean(nearest_name(wanted, names_)),
                       has_header_ ? "" : " (no header, so numbered)", fmt::join(names_, ", ")));
  }

  void choose_named(std::string_view columns) {
    while (true) {
      const auto comma = columns.find(',');
      const std::string wanted(columns.substr(0, comma));
      if (wanted.ends_with('*')) {
        const std::string prefix = wanted.substr(0, wanted.size() - 1);
        const auto before = chosen_.size();
        for (std::size_t i = 0; i < names_.size(); ++i) {
          if (names_[i].starts_with(prefix)) chosen_.push_back(i);
        }
        if (chosen_.size() == before) column(wanted);
      } else {
        chosen_.push_back(column(wanted));
      }
      if (comma == std::string_view::npos) return;
      columns.remove_prefix(comma + 1);
    }
  }

  void choose(const std::string& columns, const std::string& other) {
    if (!columns.empty()) {
      choose_named(columns);
      return check_chosen();
    }
    const std::size_t left_out = other.empty() ? names_.size() : column(other);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (i == left_out) continue;
      if (names_[i].empty()) {
        refuse(
            fmt::format("its column {} (from 0) has no name, as an index of pandas: write the "
                        "file with index=False, or name the columns, as in \"a.csv:p*\"",
                        i));
      }
      chosen_.push_back(i);
    }
    if (chosen_.empty()) refuse("it has no column but that of the labels");
    check_chosen();
  }

  // Two columns of one name are most often one column written twice, or a row taken for names.
  void check_chosen() const {
    for (const auto c : chosen_) {
      if (std::count(chosen_.begin(), chosen_.end(), c) > 1) {
        refuse(fmt::format("the column '{}' is chosen twice", names_[c]));
      }
      const auto n = std::count(names_.begin(), names_.end(), names_[c]);
      if (n > 1) refuse(fmt::format("{} of its columns are called '{}'", n, names_[c]));
    }
  }

  template <class Number, class Parse>
  std::size_t read_block(std::size_t max_rows, std::vector<Number>& values, Parse parse) {
    values.clear();
    std::size_t n = 0;
    for (; n < max_rows && has_next_; ++n) {
      if (is_blank(next_)) {
        end_at_blank_line();
        break;
      }
      split(next_);
      if (fields_.size() != n_fields_) {
        refuse(fmt::format("{} has {} fields, the first line has {}", row_text(n_rows_),
                           fields_.size(), n_fields_));
      }
      for (const auto c : chosen_) {
        Number value{};
        if (!parse(fields_[c], value)) refuse_field(c, std::is_integral_v<Number>);
        values.push_back(value);
      }
      ++n_rows_;
      has_next_ = lines_.next(next_);
    }
    return n;
  }

  [[noreturn]] void refuse_field(std::size_t c, bool integer) const {
    const auto& field = fields_[c];
    const bool comma = !integer && (field.find(',') != std::string::npos || field.starts_with('0'));
    refuse(fmt::format("{} has \"{}\" in column {}, which is no {}{}", row_text(n_rows_), field,
                       has_header_ ? "'" + names_[c] + "'" : std::to_string(c),
                       integer ? "integer" : "number",
                       comma ? ": is this a decimal comma? Numbers are read with a point" : ""));
  }

  // Blank lines may only follow the last row.
  void end_at_blank_line() {
    const auto line = lines_.line_number();
    while ((has_next_ = lines_.next(next_))) {
      if (!is_blank(next_)) {
        refuse(fmt::format("line {} is empty, but rows follow it", line));
      }
    }
  }

  CsvLines lines_;
  std::string_view next_;
  bool has_next_ = false, has_header_ = false;
  Fields fields_, names_;
  std::size_t n_fields_ = 0;
  std::vector<std::size_t> chosen_;
  std::int64_t n_rows_ = 0;
};

}  // namespace

std::unique_ptr<ArrayReader> open_csv(const std::filesystem::path& file, const std::string& columns,
                                      const OpenOptions& options, std::string name) {
  return std::make_unique<CsvReader>(file, columns, options, std::move(name));
}

}  // namespace calsweep::imported
