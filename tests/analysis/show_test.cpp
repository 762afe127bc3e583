#include "analysis/query/show.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "analysis/query/table_format.hpp"
#include "analysis/results/results_db.hpp"
#include "sweeps/errors.hpp"
#include "tests/analysis/synthetic_run.hpp"

namespace calsweep::analysis {
namespace {

using fixtures::make_sweep;
using fixtures::TemporaryRun;
using fixtures::write_units;

std::string spec_with_grid(const std::string& grid, int n_seeds) {
  return "name = \"demo\"\nseeds = " + std::to_string(n_seeds) +
         "\n[data]\ndataset = \"fashion-mnist\"\n" + grid +
         "[methods.baseline]\n[methods.noise-warmup]\nnoise_warmup = { samples = 64000 }\n"
         "[analysis]\nreference = \"baseline\"\n";
}

/// Depth 4 is far too sharp without warm-up; elsewhere the two methods get alike networks.
double sharpness(const Sweep& sweep, const Trial& trial) {
  const auto& settings = sweep.recipes[static_cast<std::size_t>(trial.recipe)].settings;
  if (settings.integer("model.depth") != 4) return 2.0;
  return settings.has("noise_warmup") ? 2.0 : 8.0;
}

std::string shown(const std::string& spec, const ShowStyle& style) {
  const auto sweep = make_sweep(spec);
  const TemporaryRun run;
  write_units(sweep, run.directory(), {.sharpness = sharpness});
  analyze(sweep, run.directory());
  return show(run.directory().results(), style);
}

std::size_t widest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) {
    widest = std::max(widest, display_width(line));
  }
  return widest;
}

// Snapshot, looked at by a person; the numbers are those of the synthetic logits.
TEST(ShowTest, two_axes_as_rows_and_columns_with_marks) {
  const auto text = shown(
      spec_with_grid("[grid]\nmodel.depth = [2, 4]\ndata.size = [500, 2000]\n", 8), ShowStyle());
  EXPECT_EQ(text, R"(demo: ECE (guo2017, 15 bins), mean ± sd over seeds (lower is better)

baseline: reference
  depth \ size            500            2000
             2  0.0577±0.0197   0.0566±0.0162
             4  0.1379±0.0251   0.1447±0.0254

noise-warmup: better in 2, worse in 0 of 4 cells
  depth \ size            500            2000
             2  0.0672±0.0132   0.0516±0.0154
             4  0.0537±0.0123▼  0.0595±0.0186▼

▼ better, ▲ worse than baseline; unmarked: no significant difference at 0.05.
Wilcoxon signed-rank test paired by seed, exact p, Holm over the cells of a method. 8 seeds.
)");
}

TEST(ShowTest, works_with_no_axis_one_axis_and_three) {
  const auto none = shown(spec_with_grid("", 3), ShowStyle());
  EXPECT_NE(none.find("ece_guo2017"), std::string::npos);
  EXPECT_NE(none.find("noise-warmup: better in 0, worse in 0 of 1 cell; 3 pairs cannot be "
                      "significant over 1 cell, 6 can"),
            std::string::npos)
      << none;
  const auto one = shown(spec_with_grid("[grid]\nmodel.depth = [2, 4]\n", 8), ShowStyle());
  EXPECT_NE(one.find("method \\ depth"), std::string::npos);
  EXPECT_NE(one.find("better in 1, worse in 0 of 2 cells"), std::string::npos) << one;
  const auto three =
      shown(spec_with_grid("[grid]\nmodel.depth = [2, 4]\nmodel.activation = [\"relu\", \"tanh\"]\n"
                           "data.size = [500, 1000, 2000]\n",
                           2),
            ShowStyle());
  EXPECT_NE(three.find("  activation=relu\n  depth \\ size"), std::string::npos) << three;
  EXPECT_NE(three.find("  activation=tanh\n"), std::string::npos);
}

TEST(ShowTest, keeps_to_the_width_by_compacting_and_wrapping) {
  const auto spec = spec_with_grid(
      "[grid]\nmodel.depth = [2, 4]\n"
      "data.size = [500, 1000, 2000, 4000, 8000, 16000, 32000]\n",
      2);
  const auto wide = shown(spec, ShowStyle());
  EXPECT_LE(widest_line(wide), 100U) << wide;
  EXPECT_NE(wide.find("  32000\n"), std::string::npos) << wide;
  ShowStyle narrow;
  narrow.width = 60;
  EXPECT_LE(widest_line(shown(spec, narrow).substr(0, 1000)), 60U);
}

TEST(ShowTest, ascii_and_colour) {
  const auto spec = spec_with_grid("[grid]\nmodel.depth = [2, 4]\n", 8);
  ShowStyle ascii;
  ascii.ascii = true;
  const auto plain = shown(spec, ascii);
  EXPECT_EQ(display_width(plain), plain.size()) << "not ASCII";
  EXPECT_NE(plain.find("v better, ^ worse"), std::string::npos);
  ShowStyle color;
  color.color = true;
  EXPECT_NE(shown(spec, color).find("\x1b[32m"), std::string::npos);
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);
}

TEST(ShowTest, arrows_follow_the_value_where_higher_is_better) {
  ShowStyle style;
  style.metric = "accuracy";
  const auto text = shown(spec_with_grid("[grid]\nmodel.depth = [2, 4]\n", 4), style);
  EXPECT_NE(text.find("▲ better, ▼ worse"), std::string::npos);
}

TEST(ShowTest, names_other_metrics_and_missing_replicates) {
  const auto sweep = make_sweep(spec_with_grid("[grid]\nmodel.depth = [2, 4]\n", 4));
  const TemporaryRun run;
  write_units(sweep, run.directory(), {.leave_out = {sweep.trials[0].id.str()}});
  analyze(sweep, run.directory());
  ShowStyle style;
  const auto text = show(run.directory().results(), style);
  EXPECT_NE(text.find("n=3"), std::string::npos) << text;
  EXPECT_NE(text.find("1 replicates have no results"), std::string::npos);
  style.metric = "ece_guo2016";
  try {
    show(run.directory().results(), style);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean \"ece_guo2017\"?"), std::string::npos);
  }
}

}  // namespace
}  // namespace calsweep::analysis
