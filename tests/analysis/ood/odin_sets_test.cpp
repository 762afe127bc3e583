// The names of ODIN logit sets: printed and read back, and refused with the reason.
#include "analysis/ood/odin_sets.hpp"

#include <gtest/gtest.h>

#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

TEST(OdinSetTest, prints_and_reads_back) {
  EXPECT_EQ(to_string(OdinSet{1000.0, 0.0014, "test"}), "odin/T=1000,eps=0.0014/test");
  for (const auto& set : {OdinSet{1000.0, 0.0014, "test"}, OdinSet{1.5, 1e-5, "validation"},
                          OdinSet{0.1, 0.1 + 0.2, "ood/mnist:raw"}}) {
    EXPECT_EQ(parse_odin_set(to_string(set)), set);
  }
}

TEST(OdinSetTest, of_another_set_is_nothing) {
  EXPECT_FALSE(parse_odin_set("test").has_value());
  EXPECT_FALSE(parse_odin_set("ood/odin").has_value());
}

TEST(OdinSetTest, refuses_what_is_not_in_the_contract) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"odin/T=1000,eps=0.0014", "names no set"},
      {"odin/T=1000/test", "is missing"},
      {"odin/eps=0.0014,T=1000/test", "should begin with \"T=\""},
      {"odin/T=1000,e=0.0014/test", "should begin with \"eps=\""},
      {"odin/T=1000.0,eps=0.0014/test", "write T=1000, not T=1000.0"},
      {"odin/T=1e3,eps=0.0014/test", "write T=1000"},
      {"odin/T=1000,eps=1.4e-3/test", "write eps=0.0014"},
      {"odin/T=0,eps=0.0014/test", "not a positive finite number"},
      {"odin/T=-2,eps=0.0014/test", "not a positive finite number"},
      {"odin/T=nan,eps=0.0014/test", "not a positive finite number"},
      {"odin/T=inf,eps=0.0014/test", "not a positive finite number"},
      {"odin/T=1000,eps=0/test", "not a positive finite number"},
      {"odin/T=1000,eps=0.0014,x=1/test", "not a positive finite number"},
      {"odin/T=,eps=0.0014/test", "not a positive finite number"},
      {"odin/T=1000,eps=0.0014/train", "is not test, validation or ood/<set>"},
      {"odin/T=1000,eps=0.0014/ood/", "is not test, validation or ood/<set>"},
      {"odin/T=1000,eps=0.0014/ood/a/b", "is not test, validation or ood/<set>"},
      {"odin/T=1000,eps=0.0014/odin/T=1,eps=1/test", "is not test, validation or ood/<set>"},
  };
  for (const auto& [name, reason] : bad) {
    try {
      parse_odin_set(name);
      ADD_FAILURE() << name << " was accepted";
    } catch (const FormatError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(reason), std::string::npos) << text;
      EXPECT_NE(text.find(name), std::string::npos) << text;
    }
  }
  EXPECT_THROW(to_string(OdinSet{1000.0, 0.0, "test"}), UsageError);
  EXPECT_THROW(to_string(OdinSet{0.0, 0.1, "test"}), UsageError);
  EXPECT_THROW(to_string(OdinSet{1000.0, 0.1, "train"}), UsageError);
}

TEST(OdinSetTest, scores_are_formed_at_its_temperature) {
  const std::vector<float> z = {1.0F, 3.0F, 0.0F, -1.0F, 2.0F, 2.0F};
  const auto found = odin_scores({1000.0, 0.0014, "test"}, z, 3, "odin");
  EXPECT_EQ(found.max_softmax, ood_scores(z, 3, 1000.0, "odin").max_softmax);
  EXPECT_NE(found.max_softmax, ood_scores(z, 3, 1.0, "odin").max_softmax);
}

}  // namespace
}  // namespace calsweep::analysis
