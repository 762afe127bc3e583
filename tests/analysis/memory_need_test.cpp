#include "analysis/memory_need.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

constexpr std::int64_t kGib = std::int64_t{1} << 30;

NetworkData network_of(std::int64_t n_test, std::int64_t n_validation, std::int64_t n_classes) {
  NetworkData network;
  network.n_classes = n_classes;
  const auto read = [](std::int64_t, std::int64_t) { return RowValues(); };
  const auto add = [&](const char* set, std::int64_t n) {
    network.sets.push_back(SetRows({set, set, n, n_classes, true, {}}, read, {}));
  };
  add("test", n_test);
  if (n_validation > 0) add("validation", n_validation);
  return network;
}

TEST(MemoryNeed, grows_with_the_rows_and_with_the_classes_of_what_is_held_as_a_whole) {
  AnalysisOptions options;
  options.calibrators = {"temperature"};
  EXPECT_EQ(bytes_needed(network_of(1000, 0, 1000), options) -
                bytes_needed(network_of(1000, 0, 10), options),
            1000 * (1000 - 10) * 16);       // probabilities and their bins
  const auto many = std::int64_t{1} << 28;  // too large to be held: the classes do not count
  EXPECT_EQ(bytes_needed(network_of(many, 0, 1000), options),
            bytes_needed(network_of(many, 0, 10), options));
  EXPECT_EQ(bytes_needed(network_of(2000, 0, 10), options),
            2 * bytes_needed(network_of(1000, 0, 10), options));
  const auto with = bytes_needed(network_of(1000, 500, 100), options);
  options.calibrators.clear();
  EXPECT_EQ(with - bytes_needed(network_of(1000, 500, 100), options), 500 * 100 * 48);
  options.calibrators = {"temperature"};  // too large for a fit: not held, so not counted
  EXPECT_LT(bytes_needed(network_of(1000, std::int64_t{1} << 27, 2), options), 8 * kGib);
}

TEST(MemoryNeed, what_does_not_fit_is_refused_with_both_numbers) {
  EXPECT_EQ(not_enough_memory(kGib, kGib), "");
  EXPECT_EQ(not_enough_memory(kGib / 8, 0), "");  // small sets never count
  EXPECT_EQ(not_enough_memory(30 * kGib, kGib + kGib / 2),
            "its analysis needs about 30.0 GiB of memory, but 1.5 GiB are free: analyse it on a "
            "machine with more, or give fewer rows");
  EXPECT_GT(bytes_available(), 0);
  try {
    const MemoryReservation room(std::int64_t{1} << 60, "trial a");
    FAIL() << "room for 2^60 bytes";
  } catch (const FormatError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("trial a: its analysis needs about"));
  }
}

TEST(MemoryReservation, those_that_do_not_fit_together_wait) {
  const auto large = bytes_available() / 4 * 3;
  if (large < kGib) GTEST_SKIP() << "the machine has little memory";
  std::atomic<int> inside{0}, most{0};
  const auto work = [&] {
    const MemoryReservation room(large, "large");
    const int now = ++inside;
    most = std::max(most.load(), now);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    --inside;
  };
  { std::jthread first(work), second(work), third(work); }
  EXPECT_EQ(most, 1);
}

}  // namespace
}  // namespace calsweep::analysis
