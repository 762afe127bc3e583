#include "orchestrator/status_file.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "orchestrator/progress_display.hpp"
#include "sweeps/errors.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep::orchestrator {
namespace {

RunStatus sample() {
  RunStatus s;
  s.sweep = "demo";
  s.host = "node1";
  s.pid = 42;
  s.updated_unix = 1000.0;
  s.updated_at = "2026-01-01T00:00:00.000Z";
  s.trials = 100;
  s.trials_done = 40;
  s.trials_reused = 10;
  s.trials_running = 6;
  s.trials_diverged = 1;
  s.units = 20;
  s.units_done = 8;
  s.work_fraction = 0.4;
  s.elapsed_seconds = 75.0;
  s.left_seconds = 200.0;
  s.left_low_seconds = 150.0;
  s.left_high_seconds = 4000.0;
  s.slots.push_back(
      {"node1", "cpu", 1, 0, true, "abc", "d6 n2000 mixup, epoch 3/30", 0.25, 12.0, 2});
  s.slots.push_back({"node2", "cpu", 2, 0, true, "", "", 0.0, 0.0, 0});
  s.set_aside.push_back({"def", "exit code 3", "last words", {"t1", "t2"}});
  s.recovered.push_back("a trainer failed and was replaced");
  return s;
}

TEST(StatusTest, file_round_trip) {
  const calsweep::testing::TemporaryDirectory folder;
  const RunDirectory run(folder.path());
  const RunStatus written = sample();
  write_status(run, written);
  const RunStatus read = read_status(run);
  EXPECT_EQ(status_json(read), status_json(written));
  EXPECT_EQ(read.slots.size(), 2U);
  EXPECT_EQ(read.left_high_seconds, 4000.0);
  EXPECT_EQ(read.work_fraction, 0.4);
  EXPECT_FALSE(fs::exists(folder / "status.json.partial"));
}

TEST(StatusTest, missing_damaged_and_newer_files_are_errors) {
  const calsweep::testing::TemporaryDirectory folder;
  const RunDirectory run(folder.path());
  EXPECT_THROW(read_status(run), UsageError);
  std::ofstream(run.status()) << "{\"version\": 1, ";
  EXPECT_THROW(read_status(run), FormatError);
  std::ofstream(run.status()) << "{\"version\": 99}";
  EXPECT_THROW(read_status(run), FormatError);
}

TEST(StatusTest, text_says_what_runs_and_how_long_it_takes) {
  const std::string text = format_status(sample(), 1001.0);
  for (const char* part :
       {"running (process 42 on node1)", "40 of 100 done (10 by earlier runs)", "1 diverged",
        "3 min 20 s", "2 min 30 s to 1 h 06 min", "25 % of d6 n2000 mixup, epoch 3/30",
        "node2 2/0 cpu: idle", "exit code 3: last words", "a trainer failed and was replaced"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(StatusTest, old_heartbeat_is_called_dead) {
  EXPECT_NE(format_status(sample(), 1100.0).find("seems dead"), std::string::npos);
  RunStatus over = sample();
  over.state = RunState::Complete;
  EXPECT_EQ(format_status(over, 1e9).find("seems dead"), std::string::npos);
}

TEST(StatusTest, durations_read_well) {
  EXPECT_EQ(format_duration(0.4), "0 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(200.0), "3 min 20 s");
  EXPECT_EQ(format_duration(7500.0), "2 h 05 min");
  EXPECT_EQ(format_duration(360000.0), "4 d 4 h");
}

TEST(ProgressDisplayTest, live_lines_fit_the_terminal_and_list_the_slots) {
  const auto lines = live_lines(sample(), 78);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "[#########...............]  40 %  40/100 trials done, 6 running, 0 failed");
  for (const auto& line : lines) EXPECT_LE(line.size(), 78U);
  EXPECT_NE(lines[2].find("25 %  d6 n2000 mixup"), std::string::npos);
}

TEST(ProgressDisplayTest, long_lines_are_cut_between_characters) {
  RunStatus s = sample();
  s.slots[0].doing = "\xCE\xB1\xCE\xB1\xCE\xB1\xCE\xB1\xCE\xB1\xCE\xB1\xCE\xB1\xCE\xB1\xCE\xB1";
  for (std::size_t columns = 20; columns < 40; ++columns) {
    const std::string line = live_lines(s, columns)[2];
    EXPECT_LE(line.size(), columns);
    EXPECT_NE(line.back(), '\xCE') << "half a character at the end";
  }
}

TEST(ProgressDisplayTest, many_slots_are_not_listed) {
  RunStatus s = sample();
  s.slots.resize(9);
  EXPECT_EQ(live_lines(s, 80).size(), 2U);
}

TEST(ProgressDisplayTest, plain_line_has_all_in_one) {
  EXPECT_EQ(plain_line(sample()),
            "40 % of the rest: 40/100 trials done, 6 running, 0 failed, 0.00 trials/s, 3 min 20 s left (2 min "
            "30 s to "
            "1 h 06 min)");
}

}  // namespace
}  // namespace calsweep::orchestrator
