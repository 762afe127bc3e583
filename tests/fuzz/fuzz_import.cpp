// What `calsweep import` reads: manifests, and .npy, .npz and CSV files of outputs or labels. The
// first byte of an input says which. (HDF5 is read by its library, which is not what is tested.)
#include <array>

#include "sweeps/imported/record_files.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;
using namespace calsweep::imported;

constexpr std::array kNames = {"x.npy", "x.npz", "x.csv"};

std::string reference(std::size_t kind, bool labels) {
  if (kind == 1) return labels ? "x.npz:y" : "x.npz:probs";
  if (kind == 2) return labels ? "x.csv:label" : "x.csv";
  return kNames[kind];
}

// Both roles, so that shapes and types are checked against one another as well.
void read_files(const std::filesystem::path& folder, std::size_t kind, bool probabilities) {
  Record record;
  record.method = "a";
  record.outputs = probabilities ? Outputs::Probabilities : Outputs::Logits;
  record.splits = {{"test", reference(kind, false), reference(kind, true), {}}};
  fuzzing::only_our_errors([&] {
    const auto content = check_record(record, folder);
    const auto file = folder / "u.h5";
    write_record(record, {}, content, folder, file);
    UnitFileReader reader(file);
    const auto id = reader.trials().at(0);
    if (reader.n_rows(id, "test") != content.splits[0].n_rows) std::abort();
  });
  record.splits = {{"ood/a", reference(kind, false), "", {}}};
  fuzzing::only_our_errors([&] { check_record(record, folder); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzing::ScratchFolder folder;
  if (size == 0) return 0;
  const std::size_t choice = data[0] % 7;
  const auto text = fuzzing::text(data + 1, size - 1);
  if (choice == 6) {
    is_manifest(text);
    fuzzing::only_our_errors([&] { static_cast<void>(parse_manifest(text, "fuzz.toml")); });
    return 0;
  }
  folder.write(kNames[choice / 2], text);
  read_files(folder.path(), choice / 2, choice % 2 == 0);
  return 0;
}
