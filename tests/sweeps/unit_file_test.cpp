#include "sweeps/unit_file.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep {
namespace {

UnitFileHeader header() {
  UnitFileHeader header;
  header.unit = UnitId::of("unit");
  header.attempt = 3;
  header.dataset = "mnist";
  header.n_classes = 2;
  header.fingerprints = {{"mnist", "abc"}};
  header.provenance = {"0.1", "2.13", "", "höst", "cpu", "2026-01-01T00:00:00Z", 1};
  return header;
}

TrialRecord trial(const std::string& name) {
  TrialRecord record;
  record.id = TrialId::of(name);
  record.settings = "{\"model.depth\":2}";
  record.seed = 4;
  record.epochs = {{0, std::nan(""), 0.1, 2.3, 0.4, 0.3, 0.2}, {1, 1.5, 0.6, 1.1, 0.5, 0.1, 0.05}};
  record.logits = {{"test", {1.0f, -2.0f, 0.5f, 3.0f}}, {"ood/kmnist:raw", {7.0f, 8.0f}}};
  return record;
}

std::string write_file(const fs::path& path) {
  UnitFileWriter writer(path, header());
  writer.add_labels("test", std::vector<std::int32_t>{0, 1});
  writer.add_trial(trial("a"));
  TrialRecord diverged = trial("b");
  diverged.outcome = TrialOutcome::Diverged;
  diverged.diverged_step = 17;
  diverged.logits.clear();
  writer.add_trial(diverged);
  return writer.seal();
}

TEST(UnitFileTest, what_is_written_is_read_back) {
  const testing::TemporaryDirectory directory;
  const std::string checksum = write_file(directory / "u.h5");
  const UnitFileReader reader(directory / "u.h5");
  EXPECT_EQ(reader.checksum(), checksum);
  EXPECT_EQ(reader.header().unit, UnitId::of("unit"));
  EXPECT_EQ(reader.header().provenance.host, "höst");
  EXPECT_FALSE(reader.header().provenance.hdf5_version.empty());
  EXPECT_EQ(reader.trials().size(), 2u);
  EXPECT_EQ(reader.labels("test"), (std::vector<std::int32_t>{0, 1}));
  const TrialId id = TrialId::of("a");
  EXPECT_EQ(reader.logits(id, "test"), (std::vector<float>{1.0f, -2.0f, 0.5f, 3.0f}));
  EXPECT_EQ(reader.logit_sets(id), (std::vector<std::string>{"ood/kmnist:raw", "test"}));
  const TrialRecord back = reader.trial(id);
  EXPECT_EQ(back.seed, 4);
  ASSERT_EQ(back.epochs.size(), 2u);
  EXPECT_TRUE(std::isnan(back.epochs[0].train_loss));
  EXPECT_EQ(back.epochs[1].test_ece_noise2026, 0.05);
  EXPECT_EQ(reader.trial(TrialId::of("b")).outcome, TrialOutcome::Diverged);
  EXPECT_EQ(reader.trial(TrialId::of("b")).diverged_step, 17);
  EXPECT_TRUE(reader.logit_sets(TrialId::of("b")).empty());
}

TEST(UnitFileTest, rows_can_be_written_and_read_in_blocks) {
  const testing::TemporaryDirectory directory;
  const TrialId id = TrialId::of("a");
  const std::vector<float> first = {1, 2, 3, 4}, second = {5, 6};
  {
    UnitFileWriter writer(directory / "u.h5", header());
    TrialRecord record = trial("a");
    record.logits.clear();
    writer.add_trial(record);
    writer.begin_outputs(id, "test", 3, false);
    writer.append_outputs(std::span<const float>(first));
    writer.append_outputs(std::span<const float>(second));
    writer.begin_labels("test", 3);
    writer.append_labels(std::vector<std::int32_t>{0, 1});
    writer.append_labels(std::vector<std::int32_t>{1});
    writer.seal();
  }
  const UnitFileReader reader(directory / "u.h5");
  EXPECT_EQ(reader.outputs(), Outputs::Logits);
  EXPECT_EQ(reader.n_rows(id, "test"), 3);
  EXPECT_EQ(reader.logits(id, "test"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(reader.logits(id, "test", 1, 1), (std::vector<float>{3, 4}));
  EXPECT_TRUE(reader.logits(id, "test", 3, 0).empty());
  EXPECT_EQ(reader.labels("test", 1, 2), (std::vector<std::int32_t>{1, 1}));
}

TEST(UnitFileTest, probabilities_are_never_taken_for_logits) {
  const testing::TemporaryDirectory directory;
  const TrialId id = TrialId::of("a");
  const std::vector<double> rows = {0.1, 0.9, 1.0 / 3.0, 2.0 / 3.0};
  {
    UnitFileHeader head = header();
    head.outputs = Outputs::Probabilities;
    UnitFileWriter writer(directory / "u.h5", head);
    TrialRecord record = trial("a");
    record.logits.clear();
    writer.add_trial(record);
    writer.begin_outputs(id, "test", 2, true);
    writer.append_outputs(std::span<const double>(rows));
    writer.seal();
  }
  EXPECT_TRUE(read_file(directory / "u.h5").starts_with("calsweep unit file, format 2\n"));
  const UnitFileReader reader(directory / "u.h5");
  EXPECT_EQ(reader.outputs(), Outputs::Probabilities);
  EXPECT_EQ(reader.logit_sets(id), std::vector<std::string>{"test"});
  EXPECT_EQ(reader.probabilities(id, "test"), rows);
  EXPECT_EQ(reader.probabilities(id, "test", 1, 1), (std::vector<double>{1.0 / 3.0, 2.0 / 3.0}));
  EXPECT_THROW(reader.logits(id, "test"), FormatError);
  write_file(directory / "logits.h5");
  EXPECT_THROW(UnitFileReader(directory / "logits.h5").probabilities(id, "test"), FormatError);
}

TEST(UnitFileTest, the_same_content_gives_the_same_bytes) {
  const testing::TemporaryDirectory directory;
  EXPECT_EQ(write_file(directory / "u.h5"), write_file(directory / "v.h5"));
}

TEST(UnitFileTest, an_unsealed_file_leaves_nothing_behind) {
  const testing::TemporaryDirectory directory;
  { UnitFileWriter writer(directory / "u.h5", header()); }
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

TEST(UnitFileTest, h5dump_reads_it) {
  const testing::TemporaryDirectory directory;
  write_file(directory / "u.h5");
  const std::string out = (directory / "dump").string();
  const std::string command = "h5dump -d /trials/" + TrialId::of("a").str() + "/logits/test " +
                              (directory / "u.h5").string() + " > " + out;
  if (std::system("command -v h5dump > /dev/null") != 0) GTEST_SKIP() << "h5dump is not installed";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::string text = read_file(out);
  EXPECT_NE(text.find("(0,0): 1, -2,"), std::string::npos) << text;
  EXPECT_NE(text.find("(1,0): 0.5, 3"), std::string::npos) << text;
}

class DamagedUnitFileTest : public ::testing::Test {
 protected:
  DamagedUnitFileTest() { write_file(path()); }
  fs::path path() const { return directory_ / "u.h5"; }
  std::string refusal() const {
    try {
      const UnitFileReader reader(path());
      return "";
    } catch (const FormatError& error) {
      return error.what();
    }
  }
  testing::TemporaryDirectory directory_;
};

TEST_F(DamagedUnitFileTest, truncated_anywhere_is_refused) {
  const auto size = fs::file_size(path());
  for (const auto length :
       {size - 1, size / 2, std::uintmax_t{600}, std::uintmax_t{100}, std::uintmax_t{0}}) {
    fs::resize_file(path(), length);
    EXPECT_FALSE(unit_file_is_intact(path()));
    EXPECT_NE(refusal().find("is not usable"), std::string::npos) << length;
  }
}

TEST_F(DamagedUnitFileTest, any_flipped_byte_is_refused) {
  const std::string good = read_file(path());
  for (std::size_t at = 512; at < good.size(); at += 997) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    std::ofstream(path(), std::ios::binary) << bad;
    EXPECT_FALSE(unit_file_is_intact(path())) << at;
    EXPECT_NE(refusal().find("does not match its checksum"), std::string::npos) << at;
  }
}

TEST_F(DamagedUnitFileTest, another_kind_of_file_and_another_format_are_refused) {
  std::ofstream(path()) << std::string(2000, 'x');
  EXPECT_NE(refusal().find("no unit file of calsweep"), std::string::npos);
  std::string future = "calsweep unit file, format 99\n";
  future.resize(2000, ' ');
  std::ofstream(path()) << future;
  EXPECT_NE(refusal().find("format 99, this program reads formats 1 to 2"), std::string::npos);
}

TEST_F(DamagedUnitFileTest, absent_sets_are_named) {
  const UnitFileReader reader(path());
  EXPECT_THROW(reader.logits(TrialId::of("a"), "ood/none"), FormatError);
  EXPECT_THROW(reader.trial(TrialId::of("none")), FormatError);
}

}  // namespace
}  // namespace calsweep
