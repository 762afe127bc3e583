#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "sweeps/errors.hpp"
#include "sweeps/imported/record_files.hpp"
#include "sweeps/run_directory.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::imported {
namespace {

template <class T>
void write_npy(const fs::path& path, const std::string& type, const std::vector<T>& values,
               const std::string& shape, bool fortran = false) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", type,
                                 fortran ? "True" : "False", shape);
  text.resize(118, ' ');
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\0' << char(118) << '\0' << text;
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(T)));
}

// More rows than one block of 2^18 values holds.
constexpr std::size_t kRows = 100'003, kClasses = 4;

class ImportRecordTest : public ::testing::Test {
 protected:
  ImportRecordTest() {
    std::vector<float> rows(kRows * kClasses), columns(kRows * kClasses);
    std::vector<std::int32_t> labels(kRows);
    for (std::size_t i = 0; i < kRows; ++i) {
      labels[i] = static_cast<std::int32_t>(i * 7 % kClasses);
      for (std::size_t c = 0; c < kClasses; ++c) {
        rows[i * kClasses + c] = static_cast<float>(i % 1000) * 0.25F - static_cast<float>(c);
        columns[c * kRows + i] = rows[i * kClasses + c];
      }
    }
    rows_ = rows;
    labels_ = labels;
    const std::string shape = fmt::format("({}, {})", kRows, kClasses);
    write_npy(directory_ / "c.npy", "<f4", rows, shape);
    write_npy(directory_ / "fortran.npy", "<f4", columns, shape, true);
    write_npy(directory_ / "y.npy", "<i4", labels, fmt::format("({},)", kRows));
  }

  Record record(const std::string& source) const {
    Record made;
    made.method = "a";
    made.splits = {{"test", source, "y.npy", {}}};
    return made;
  }

  testing::TemporaryDirectory directory_;
  std::vector<float> rows_;
  std::vector<std::int32_t> labels_;
};

TEST_F(ImportRecordTest, blocks_of_rows_arrive_in_order) {
  const auto content = check_record(record("c.npy"), directory_.path());
  EXPECT_EQ(content.splits[0].n_rows, static_cast<std::int64_t>(kRows));
  write_record(record("c.npy"), {}, content, directory_.path(), directory_ / "u.h5");
  const UnitFileReader reader(directory_ / "u.h5");
  const auto id = trial_id(record("c.npy"), {}, content.fingerprint());
  EXPECT_EQ(reader.trials(), std::vector<TrialId>{id});
  EXPECT_TRUE(reader.logits(id, "test") == rows_);
  EXPECT_TRUE(reader.labels("test") == labels_);
  const auto part = reader.logits(id, "test", 70'000, 2);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), rows_.begin() + 70'000 * kClasses));
}

TEST_F(ImportRecordTest, the_order_of_the_axes_in_the_file_does_not_matter) {
  EXPECT_EQ(check_record(record("c.npy"), directory_.path()).fingerprint(),
            check_record(record("fortran.npy"), directory_.path()).fingerprint());
}

TEST_F(ImportRecordTest, a_file_that_changes_in_between_is_refused_and_leaves_nothing) {
  const auto content = check_record(record("c.npy"), directory_.path());
  auto other = rows_;
  other[5] += 1.0F;
  write_npy(directory_ / "c.npy", "<f4", other, fmt::format("({}, {})", kRows, kClasses));
  fs::create_directory(directory_ / "units");
  EXPECT_THROW(
      write_record(record("c.npy"), {}, content, directory_.path(), directory_ / "units/u.h5"),
      FormatError);
  EXPECT_TRUE(fs::is_empty(directory_ / "units"));
}

TEST_F(ImportRecordTest, identity_holds_what_is_declared) {
  Record a = record("c.npy"), b = a;
  b.seed = 1;
  EXPECT_NE(trial_id(a, {}, "x"), trial_id(b, {}, "x"));
  b = a;
  b.outputs = Outputs::Probabilities;
  EXPECT_NE(trial_id(a, {}, "x"), trial_id(b, {}, "x"));
  EXPECT_NE(trial_id(a, {}, "x"), trial_id(a, {}, "y"));
}

}  // namespace
}  // namespace calsweep::imported
