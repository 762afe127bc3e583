#include "analysis/metrics/sorted_calibration_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "analysis/metrics/smooth_ece.hpp"
#include "tests/analysis/fixtures.hpp"

namespace calsweep::analysis {
namespace {
TEST(Probe, golden) {
  for (const char* name : {"lenet-5-cifar-10", "wideresnet-16-4-cifar-10"}) {
    const auto r = fixtures::load_confidence_record(name);
    auto t0 = std::chrono::steady_clock::now();
    const auto lap = [&](const char* what) {
      auto t1 = std::chrono::steady_clock::now();
      std::printf("   %s %.3f ms\n", what, std::chrono::duration<double, std::milli>(t1 - t0).count());
      t0 = std::chrono::steady_clock::now();
    };
    const auto p = ConfidenceProfile::from_rows(std::span<const float>(r.confidence), r.correct);
    lap("profile");
    std::printf("%s groups %zu rows %ld\n", name, p.size(), p.n_rows());
    auto em = equal_mass_errors(p);
    auto ku = kumar_equal_mass_errors(p);
    std::printf("EM15 %.6f debiased %.6f l2 %.6f kumar %.6f deb %.6f ace %.6f deb %.6f\n", em.l1.value,
                em.debiased_l2.value, em.l2.value, ku.l1.value, ku.debiased_l2.value,
                rank_split_errors(p).l1.value, rank_split_errors(p).debiased_l2.value);
    lap("em");
    auto sw = sweep_error(p);
    std::printf("sweep %.6f (%ld) ks %.6f hend %.6f\n", sw.ece.value, sw.n_bins, ks_error(p).value, hendrycks_errors(p).l2.value);
    lap("sweep");
    auto rel = relplot_smooth_ece(p);
    std::printf("relplot %.6f (%.6f)\n", rel.error.value, rel.width);
    lap("relplot");
    auto sm = smooth_ece(p);
    std::printf("smece %.6f (%.6f)\n", sm.error.value, sm.width);
    lap("smece");
    std::printf("smece at .076172 %.6f\n", smooth_ece_at(p, 78.0/1024).value);
  }
  // toy
  std::vector<float> c; std::vector<std::uint8_t> a;
}
}  // namespace
}  // namespace calsweep::analysis
