#include "worker/image_set.hpp"

#include <gtest/gtest.h>

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(ImageSetTest, leaves_images_of_the_right_shape_alone) {
  const ImageSet set{{1, 1, 2}, {1, 2, 3, 4}, {0, 1}};
  const ImageSet same = adapt_images(set, {1, 1, 2});
  EXPECT_EQ(same.pixels, set.pixels);
  EXPECT_EQ(same.labels, set.labels);
}

TEST(ImageSetTest, repeats_grey_over_three_channels) {
  const ImageSet colour = adapt_images({{1, 1, 2}, {1, 2, 3, 4}, {}}, {3, 1, 2});
  EXPECT_EQ(colour.pixels, (Bytes{1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}));
}

// ITU-R BT.601: 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1.
TEST(ImageSetTest, turns_colour_into_luma) {
  const ImageSet set{{3, 1, 4}, {255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255}, {}};
  EXPECT_EQ(adapt_images(set, {1, 1, 4}).pixels, (Bytes{76, 150, 29, 255}));
}

TEST(ImageSetTest, frames_small_images_in_black) {
  const ImageSet framed = adapt_images({{1, 2, 2}, {1, 2, 3, 4}, {}}, {1, 4, 4});
  EXPECT_EQ(framed.pixels, (Bytes{0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0}));
}

TEST(ImageSetTest, crops_large_images_to_their_centre) {
  const ImageSet set{{1, 4, 4}, {0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0}, {}};
  EXPECT_EQ(adapt_images(set, {1, 2, 2}).pixels, (Bytes{1, 2, 3, 4}));
}

TEST(ImageSetTest, refuses_channel_counts_it_cannot_convert) {
  EXPECT_THROW(adapt_images({{2, 1, 1}, {1, 2}, {}}, {3, 1, 1}), FormatError);
}

}  // namespace
}  // namespace calsweep::worker
