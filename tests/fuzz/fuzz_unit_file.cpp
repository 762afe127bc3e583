// Unit files. As they come (the checksum is compared before HDF5 sees a byte), and once more with a
// header that fits, so that the reader of the content is reached: it must refuse what is damaged
// even where the checksum was not asked for.
#include <fmt/core.h>

#include "sweeps/unit_file.hpp"
#include "tests/fuzz/fuzzing.hpp"

namespace {

using namespace calsweep;

constexpr std::size_t kUserBlockBytes = 512;

void read_all(const fs::path& file, bool verify) {
  const UnitFileReader reader(file, verify);
  for (const TrialId& id : reader.trials()) {
    // One damaged trial must not hide the others.
    fuzzing::only_our_errors([&] { reader.trial(id); });
    fuzzing::only_our_errors([&] {
      for (const std::string& set : reader.logit_sets(id)) reader.logits(id, set);
    });
  }
  for (const char* set : {"test", "validation"}) {
    fuzzing::only_our_errors([&] { reader.labels(set); });
  }
}

std::string with_fitting_header(std::string_view content) {
  const std::string_view rest =
      content.size() > kUserBlockBytes ? content.substr(kUserBlockBytes) : content;
  std::string block =
      fmt::format("calsweep unit file, format {}\nsha256 of the bytes after this block:\n{}\n"
                  "file size: {}\n",
                  kUnitFileFormat, std::string(64, '0'), kUserBlockBytes + rest.size());
  block.resize(kUserBlockBytes, ' ');
  return block + std::string(rest);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzing::ScratchFolder folder;
  const auto content = fuzzing::text(data, size);
  fuzzing::only_our_errors([&] { read_all(folder.write("as-is.h5", content), true); });
  const auto file = folder.write("fitting.h5", with_fitting_header(content));
  fuzzing::only_our_errors([&] { read_all(file, false); });
  unit_file_is_intact(file);
  unit_file_belies_its_checksum(file);
  return 0;
}
