#include "sweeps/settings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "sweeps/errors.hpp"

namespace calsweep {
namespace {

TEST(SettingsTest, keys_are_sorted_unique_and_documented) {
  const auto keys = setting_keys();
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end(),
                             [](const auto& a, const auto& b) { return a.path < b.path; }));
  for (const auto& key : keys) {
    EXPECT_GE(find_setting(key.path), 0);
    EXPECT_GT(key.meaning.size(), 10u) << key.path;
  }
  EXPECT_EQ(find_setting("model.dpeth"), -1);
}

TEST(SettingsTest, canonical_form_is_json_with_sorted_keys) {
  Settings settings;
  settings.set("training.learning_rate", SettingValue(std::int64_t{1}));
  settings.set("data.ood", std::vector<std::string>{"mnist"});
  const std::string text = settings.canonical();
  EXPECT_NE(text.find("\"training.learning_rate\":1.0"), std::string::npos) << text;
  EXPECT_NE(text.find("\"data.ood\":[\"mnist\"]"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(text).dump(), text);
}

TEST(SettingsTest, ingredient_keys_appear_only_while_the_ingredient_is_on) {
  Settings settings;
  settings.set("mixup.alpha", 0.4);
  EXPECT_EQ(settings.canonical(), Settings().canonical());
  settings.turn_on("mixup");
  EXPECT_NE(settings.canonical().find("\"mixup.alpha\":0.4"), std::string::npos);
}

TEST(SettingsTest, canonical_form_reads_back) {
  Settings settings;
  settings.turn_on("noise_warmup");
  settings.set("noise_warmup.std", 0.1);
  settings.set("model.depth", std::int64_t{6});
  EXPECT_EQ(Settings::from_canonical(settings.canonical()), settings);
}

TEST(SettingsTest, unknown_keys_and_wrong_types_are_refused) {
  EXPECT_THROW(Settings::from_canonical(R"({"model.dpeth":2})"), FormatError);
  EXPECT_THROW(Settings::from_canonical(R"({"model.depth":"two"})"), FormatError);
  EXPECT_THROW(Settings::from_canonical("nonsense"), FormatError);
}

TEST(SettingsTest, reals_round_trip_exactly) {
  for (const double value : {0.1, 2e-5, 1.0 / 3.0, 1e300, 5e-324, 123456789.0}) {
    EXPECT_EQ(std::strtod(canonical_text(value).c_str(), nullptr), value);
  }
  EXPECT_EQ(canonical_text(3.0), "3.0");
  EXPECT_EQ(display_text(2e-5), "2e-05");
}

}  // namespace
}  // namespace calsweep
