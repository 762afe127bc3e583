// The parser's own behaviour; what a user sees of broken specs is tests/integration/broken_specs/.
#include <gtest/gtest.h>

#include "sweeps/errors.hpp"
#include "sweeps/sweep.hpp"
#include "tests/support/small_sweep.hpp"

namespace calsweep {
namespace {

using testing::kSmallSpec;
using testing::parse_or_fail;

std::vector<Diagnostic> mistakes_in(const std::string& text) {
  auto parsed = parse_spec(text, "test.toml");
  auto* mistakes = std::get_if<std::vector<Diagnostic>>(&parsed);
  return mistakes == nullptr ? std::vector<Diagnostic>{} : *mistakes;
}

TEST(SpecTest, methods_and_axes_keep_the_order_of_the_file) {
  const Spec spec = parse_or_fail(kSmallSpec);
  ASSERT_EQ(spec.methods.size(), 4u);
  EXPECT_EQ(spec.methods[1].name, "warm-up");
  EXPECT_EQ(spec.methods[3].name, "ensemble");
  ASSERT_EQ(spec.axes.size(), 2u);
  EXPECT_EQ(spec.axes[0].paths[0], "model.depth");
  EXPECT_EQ(spec.analysis.reference, "baseline");
}

TEST(SpecTest, every_mistake_is_reported_at_once_with_its_position) {
  const auto mistakes = mistakes_in(
      "name = \"x\"\nseeds = 0\n[model]\ndpeth = 2\nwidth = \"wide\"\n[methods.baseline]\n");
  ASSERT_EQ(mistakes.size(), 3u);
  EXPECT_EQ(mistakes[0].str(), "test.toml:2:9: 'seeds' = 0 is out of range: expected 1 to 1000000");
  EXPECT_EQ(mistakes[1].line, 4u);
  EXPECT_NE(mistakes[1].message.find("did you mean 'depth'?"), std::string::npos);
  EXPECT_EQ(mistakes[2].line, 5u);
  EXPECT_EQ(mistakes[2].column, 9u);
  EXPECT_NE(mistakes[2].message.find("must be an integer (units), not a text"), std::string::npos);
}

TEST(SpecTest, integers_are_taken_for_reals) {
  const Spec spec =
      parse_or_fail("name = \"x\"\nseeds = 1\n[training]\nlearning_rate = 1\n[methods.baseline]\n");
  EXPECT_EQ(spec.base.real("training.learning_rate"), 1.0);
}

TEST(SpecTest, an_axis_contradicted_by_a_section_or_a_method_is_refused) {
  const auto mistakes = mistakes_in(
      "name = \"x\"\nseeds = 1\n[model]\ndepth = 2\n[grid]\nmodel.depth = [2, 3]\n"
      "[methods.baseline]\n[methods.deep.model]\ndepth = 9\n");
  ASSERT_EQ(mistakes.size(), 1u);
  EXPECT_NE(mistakes[0].message.find("the method 'deep' cannot set it too"), std::string::npos);
}

TEST(SpecTest, mistakes_of_different_sections_do_not_hide_each_other) {
  const auto mistakes = mistakes_in(
      "name = \"x\"\nseeds = 1\n[grid]\nmodel.depth = [2, 3]\n[methods.a]\n[methods.b.model]\n"
      "depth = 9\nwidth = 0\n[analysis]\nreference = \"none\"\n");
  ASSERT_EQ(mistakes.size(), 3u);
  EXPECT_NE(mistakes[0].message.find("the method 'b' cannot set it too"), std::string::npos);
  EXPECT_NE(mistakes[1].message.find("'model.width' = 0 is too small"), std::string::npos);
  EXPECT_NE(mistakes[2].message.find("names no method of this spec: \"none\""), std::string::npos);
}

TEST(SpecTest, load_spec_lists_all_mistakes_in_one_exception) {
  EXPECT_THROW(load_spec("/nowhere/none.toml"), IoError);
}

TEST(SpecTest, sizes_are_checked_against_the_data_set) {
  const auto mistakes = mistakes_in(
      "name = \"x\"\nseeds = 1\n[data]\nvalidation_size = 5000\n[grid]\ndata.size = [500, 60000]\n"
      "[methods.baseline]\n");
  ASSERT_EQ(mistakes.size(), 1u);
  EXPECT_NE(mistakes[0].message.find("60000 and data.validation_size = 5000 need 65000 images"),
            std::string::npos)
      << mistakes[0].message;
}

}  // namespace
}  // namespace calsweep
