#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "sweeps/errors.hpp"
#include "sweeps/imported/array_reader.hpp"
#include "sweeps/imported/csv_lines.hpp"
#include "sweeps/imported/npy_format.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::imported {
namespace {

NpyHeader header(const std::string& type, const std::string& shape = "(3, 2)") {
  return parse_npy_dictionary(
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }  \n", "x.npy");
}

std::string refusal(const std::string& dictionary) {
  try {
    parse_npy_dictionary(dictionary, "x.npy");
    return "";
  } catch (const FormatError& error) {
    return error.what();
  }
}

TEST(NpyHeaderTest, the_dictionary_is_read) {
  const auto h = header(">f8");
  EXPECT_EQ(h.kind, NumberKind::Float64);
  EXPECT_TRUE(h.swapped);
  EXPECT_EQ(h.shape, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(h.n_elements(), 6);
  EXPECT_EQ(header("|u1", "(5,)").shape, std::vector<std::int64_t>{5});
  EXPECT_EQ(header("<i4", "(5L, 1L)").shape, (std::vector<std::int64_t>{5, 1}));
  EXPECT_FALSE(header("<u4").is_signed);
}

TEST(NpyHeaderTest, whatever_else_it_says_is_refused) {
  const std::string rest = ", 'fortran_order': False, 'shape': (3,)}";
  for (const char* type : {"'<f16'", "'<c8'", "'|b1'", "'<U5'", "'<M8[s]'", "'f4'", "'<f'", "4"}) {
    EXPECT_NE(refusal("{'descr': " + std::string(type) + rest), "") << type;
  }
  EXPECT_NE(refusal("{'descr': '<f4'" + rest + "x"), "");
  EXPECT_NE(refusal("{'descr': '<f4', 'descr': '<f4'" + rest), "");
  EXPECT_NE(refusal("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}"), "");
  EXPECT_NE(refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}"), "");
  EXPECT_NE(refusal(""), "");
  EXPECT_EQ(refusal("{'descr': '<f4'" + rest), "");
}

// IEEE 754-2019, table 3.5; values as in Wikipedia's "Half-precision floating-point format".
TEST(NpyHeaderTest, half_precision) {
  const std::uint16_t halves[] = {0x0001, 0x03FF, 0x0400, 0x3555, 0x3C00, 0x7BFF, 0xC000, 0x8000};
  const double expected[] = {0x1p-24, 0x1p-14 - 0x1p-24, 0x1p-14, 0.333251953125,
                             1.0,     65504.0,           -2.0,    -0.0};
  double values[8];
  decode(header("<f2"), reinterpret_cast<const char*>(halves), 8, values);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(values[i], expected[i]) << i;
  const std::uint16_t strange[] = {0x7C00, 0xFC00, 0x7C01};
  decode(header("<f2"), reinterpret_cast<const char*>(strange), 3, values);
  EXPECT_EQ(values[0], std::numeric_limits<double>::infinity());
  EXPECT_EQ(values[1], -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(values[2]));
}

TEST(NpyHeaderTest, integers_of_every_width) {
  const unsigned char bytes[] = {0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  const auto* text = reinterpret_cast<const char*>(bytes);
  const auto as = [&](const char* type) {
    std::int64_t value = 0;
    decode(header(type), text, 1, &value);
    return value;
  };
  EXPECT_EQ(as("|i1"), -1);
  EXPECT_EQ(as("|u1"), 255);
  EXPECT_EQ(as("<i2"), -257);
  EXPECT_EQ(as(">u2"), 65534);
  EXPECT_EQ(as("<i4"), -257);
  EXPECT_EQ(as(">i4"), -65537);
  EXPECT_EQ(as("<i8"), -257);
  EXPECT_EQ(as("<u8"), std::numeric_limits<std::int64_t>::max());  // beyond int64: its end
}

TEST(CsvTest, fields_and_numbers) {
  std::vector<std::string> fields;
  ASSERT_TRUE(split_fields(R"( a , "b, ""c""" ,,1)", fields));
  EXPECT_EQ(fields, (std::vector<std::string>{"a", "b, \"c\"", "", "1"}));
  EXPECT_FALSE(split_fields("\"open,1", fields));
  EXPECT_FALSE(split_fields("\"a\"b,1", fields));
  double x = 0;
  EXPECT_TRUE(parse_number("+1e-3", x));
  EXPECT_EQ(x, 1e-3);
  EXPECT_TRUE(parse_number("1e-400", x));
  EXPECT_EQ(x, 0.0);
  EXPECT_TRUE(parse_number("1e400", x));
  EXPECT_TRUE(std::isinf(x));
  for (const char* text : {"", "+", "1,5", "0x10", "1.0 ", "one"})
    EXPECT_FALSE(parse_number(text, x)) << text;
  std::int64_t i = 0;
  EXPECT_TRUE(parse_integer("-7", i));
  EXPECT_FALSE(parse_integer("7.0", i));
  EXPECT_FALSE(parse_integer("99999999999999999999", i));
}

TEST(CsvTest, lines_longer_than_a_block_come_whole) {
  const testing::TemporaryDirectory directory;
  const std::string long_line(3 << 20, '7');
  std::ofstream(directory / "a.csv") << "first\r\n" << long_line << "\n\nlast";
  CsvLines lines(directory / "a.csv", "a.csv");
  std::string_view line;
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line, "first");
  ASSERT_TRUE(lines.next(line));
  EXPECT_TRUE(line == long_line);
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line, "");
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line, "last");
  EXPECT_EQ(lines.line_number(), 4);
  EXPECT_FALSE(lines.next(line));
}

}  // namespace
}  // namespace calsweep::imported
