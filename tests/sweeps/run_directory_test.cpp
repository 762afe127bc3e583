#include "sweeps/run_directory.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "sweeps/errors.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep {
namespace {

TEST(RunDirectoryTest, atomic_write_replaces_and_leaves_no_partial_file) {
  const testing::TemporaryDirectory directory;
  write_file_atomically(directory / "a", "one");
  write_file_atomically(directory / "a", "two");
  EXPECT_EQ(read_file(directory / "a"), "two");
  EXPECT_FALSE(fs::exists(partial_file(directory / "a")));
}

TEST(RunDirectoryTest, errors_name_the_path) {
  try {
    write_file_atomically("/nowhere/file", "x");
    FAIL();
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/file"), std::string::npos);
  }
}

TEST(RunDirectoryTest, a_full_disk_says_what_to_do) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this system";
  const testing::TemporaryDirectory directory;
  fs::create_symlink("/dev/full", partial_file(directory / "f"));
  try {
    write_file_atomically(directory / "f", "x");
    FAIL();
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("make room"), std::string::npos) << error.what();
  }
}

TEST(RunDirectoryTest, only_sealed_unit_files_are_listed) {
  const testing::TemporaryDirectory directory;
  const RunDirectory run(directory.path());
  EXPECT_TRUE(run.sealed_units().empty());
  fs::create_directories(run.units());
  const UnitId id = UnitId::of("x");
  for (const auto& name : {id.str() + ".h5", id.str() + ".h5.partial", std::string("notes.h5")}) {
    std::ofstream(run.units() / name) << "x";
  }
  EXPECT_EQ(run.sealed_units(), std::vector<UnitId>{id});
}

TEST(RunDirectoryTest, quarantine_keeps_every_damaged_file) {
  const testing::TemporaryDirectory directory;
  const RunDirectory run(directory.path());
  for (int i = 0; i < 2; ++i) {
    std::ofstream(directory / "bad.h5") << i;
    run.quarantine_file(directory / "bad.h5");
  }
  EXPECT_EQ(read_file(run.quarantine() / "bad.h5.1"), "0");
  EXPECT_EQ(read_file(run.quarantine() / "bad.h5.2"), "1");
}

TEST(RunDirectoryTest, another_directory_is_refused) {
  const testing::TemporaryDirectory directory;
  EXPECT_THROW(RunDirectory(directory.path()).load_sweep(), UsageError);
}

}  // namespace
}  // namespace calsweep
