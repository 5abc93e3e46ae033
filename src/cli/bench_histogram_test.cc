#include "cli/bench_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/prng.h"

namespace gyre {
namespace {

// Goal: a quantile is at most one bucket (1.6 %) above the true one, at every scale.
TEST(BenchHistogramTest, QuantilesAreCloseToThoseOfTheSortedSamples) {
  Prng prng(7);
  BenchHistogram histogram;
  std::vector<std::int64_t> samples;
  for (int i = 0; i < 20'000; ++i) {
    const auto bits = static_cast<int>(prng.Between(0, 34));
    samples.push_back(static_cast<std::int64_t>(prng.Next() >> (63 - bits)));
    histogram.Record(samples.back());
  }
  std::sort(samples.begin(), samples.end());
  for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(samples.size()) + 0.999999);
    const double truth = static_cast<double>(samples[rank - 1]) / 1e3;
    EXPECT_GE(histogram.QuantileUs(q), truth) << q;
    EXPECT_LE(histogram.QuantileUs(q), truth * 1.016 + 0.001) << q;
  }
  EXPECT_EQ(histogram.QuantileUs(1.0), histogram.max_us());
}

// Goal: merging loses and adds nothing.
TEST(BenchHistogramTest, MergedIsAsIfRecordedTogether) {
  BenchHistogram a, b, both;
  for (std::int64_t i = 0; i < 1'000; ++i) {
    (i % 3 == 0 ? a : b).Record(i * i * 1'000);
    both.Record(i * i * 1'000);
  }
  a.Merge(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.mean_us(), both.mean_us());
  for (const double q : {0.25, 0.5, 0.999}) EXPECT_EQ(a.QuantileUs(q), both.QuantileUs(q));
}

// Goal: nothing recorded, negative and absurd times do no harm.
TEST(BenchHistogramTest, ExtremesAreClamped) {
  BenchHistogram histogram;
  EXPECT_EQ(histogram.QuantileUs(0.5), 0);
  histogram.Record(-5);
  EXPECT_EQ(histogram.QuantileUs(0.5), 0);
  histogram.Record(INT64_MAX);
  EXPECT_GT(histogram.max_us(), 137e6);
}

}  // namespace
}  // namespace gyre
