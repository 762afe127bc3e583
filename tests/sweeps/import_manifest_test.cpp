#include <gtest/gtest.h>

#include "sweeps/errors.hpp"
#include "sweeps/imported/file_reference.hpp"
#include "sweeps/imported/imported_sweep.hpp"
#include "sweeps/imported/manifest.hpp"

namespace calsweep::imported {
namespace {

const std::string kManifest = R"(
name = "two"
outputs = "probabilities"
[[record]]
method = "net"
seeds = [3, 1, 2]
cell = { size = 10, rate = 1 }
test = { outputs = "{method}-{size}-{seed}.npy", labels = "y.npz:labels" }
ood.svhn = "svhn-{seed}.h5:/probs"
[[record]]
method = "other"
cell = { rate = 0.5, size = 10 }
outputs = "logits"
test = { outputs = "o.csv", labels = "o.csv:label", header = true }
[[ensemble]]
name = "pooled"
of = "net"
size = 2
members = "cyclic-seeds"
)";

Manifest parse_or_fail(const std::string& text) {
  auto parsed = parse_manifest(text, "m.toml");
  if (auto* mistakes = std::get_if<std::vector<Diagnostic>>(&parsed)) {
    for (const auto& mistake : *mistakes) ADD_FAILURE() << mistake.str();
    return {};
  }
  return std::get<Manifest>(std::move(parsed));
}

DataInventory inventory_of(const Manifest& manifest) {
  DataInventory data;
  for (const auto& record : manifest.records) {
    const auto key = record.key(manifest.axes);
    data.sets[key] = {key, "", "content of " + key};
  }
  return data;
}

TEST(ManifestTest, records_are_read_as_declared) {
  const auto manifest = parse_or_fail(kManifest);
  ASSERT_EQ(manifest.records.size(), 4u);
  EXPECT_EQ(manifest.axes, (std::vector<std::string>{"size", "rate"}));
  const auto& first = manifest.records[0];
  EXPECT_EQ(first.seed, 3);
  EXPECT_EQ(first.outputs, Outputs::Probabilities);
  ASSERT_EQ(first.splits.size(), 2u);
  EXPECT_EQ(first.splits[0].set, "ood/svhn");
  EXPECT_EQ(first.splits[0].source, "svhn-3.h5:/probs");
  EXPECT_EQ(first.splits[1].source, "net-10-3.npy");
  EXPECT_EQ(first.splits[1].labels, "y.npz:labels");
  EXPECT_EQ(manifest.records[3].outputs, Outputs::Logits);
  EXPECT_EQ(manifest.records[3].splits[0].header, true);
  EXPECT_EQ(std::get<double>(first.cell[1]), 1.0);  // an integer among reals
  EXPECT_EQ(manifest.spec.seeds, (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(manifest.spec.analysis.reference, "net");
}

TEST(ManifestTest, the_sweep_has_cells_replicates_and_ensembles) {
  const auto manifest = parse_or_fail(kManifest);
  const Sweep sweep = imported_sweep(manifest, inventory_of(manifest));
  EXPECT_EQ(sweep.trials.size(), 4u);
  ASSERT_EQ(sweep.cells.size(), 2u);
  std::vector<std::string> replicates;
  for (const auto& r : sweep.replicates) {
    std::string text = std::to_string(r.cell) + " " +
                       sweep.spec.methods[static_cast<std::size_t>(r.method)].name + " " +
                       std::to_string(r.seed) + ":";
    for (const auto t : r.trials) {
      text += " " + std::to_string(sweep.trials[static_cast<std::size_t>(t)].seed);
    }
    replicates.push_back(text);
  }
  EXPECT_EQ(replicates,
            (std::vector<std::string>{"0 net 1: 1", "0 net 2: 2", "0 net 3: 3", "0 pooled 1: 1 2",
                                      "0 pooled 2: 2 3", "0 pooled 3: 3 1", "1 other 0: 0"}));
}

TEST(ManifestTest, the_trial_is_what_is_declared_and_what_the_files_hold) {
  const auto manifest = parse_or_fail(kManifest);
  auto data = inventory_of(manifest);
  const Sweep one = imported_sweep(manifest, data);
  data.sets.begin()->second.fingerprint = "changed";
  const Sweep two = imported_sweep(manifest, data);
  std::size_t n_same = 0;
  for (std::size_t t = 0; t < 4; ++t) n_same += one.trials[t].id == two.trials[t].id;
  EXPECT_EQ(n_same, 3u);
  data.sets.clear();
  EXPECT_THROW(imported_sweep(manifest, data), FormatError);
}

TEST(ManifestTest, what_is_a_manifest) {
  EXPECT_TRUE(is_manifest(kManifest));
  EXPECT_FALSE(is_manifest("name = \"sweep\"\nseeds = 3"));
  EXPECT_FALSE(is_manifest("not = = toml"));
}

TEST(FileReferenceTest, a_file_and_what_is_in_it) {
  const auto h5 = parse_reference("a:b.H5:/x/y.npz:z");
  EXPECT_EQ(h5.file, "a:b.H5");
  EXPECT_EQ(h5.inside, "/x/y.npz:z");
  EXPECT_EQ(h5.kind, FileKind::Hdf5);
  EXPECT_EQ(parse_reference("a.h5:/b.csv").kind, FileKind::Hdf5);
  EXPECT_EQ(parse_reference("a.csv").inside, "");
  EXPECT_EQ(problem_of_reference("a.npz:k"), "");
  EXPECT_NE(problem_of_reference("a.npy:k"), "");
  EXPECT_NE(problem_of_reference("a.pkl"), "");
  EXPECT_NE(problem_of_reference(""), "");
}

}  // namespace
}  // namespace calsweep::imported
