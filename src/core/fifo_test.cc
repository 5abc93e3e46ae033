#include "core/fifo.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "base/prng.h"

namespace gyre {
namespace {

// Goal: it does what a std::deque does, whatever the order of pushes and pops.
TEST(FifoTest, BehavesLikeADeque) {
  Prng prng(3);
  Fifo<std::string> fifo;
  std::deque<std::string> model;
  for (int step = 0; step < 20'000; ++step) {
    const bool grow = step % 4000 < 2000;
    if (model.empty() || prng.Chance(grow ? 700'000 : 300'000)) {
      fifo.PushBack(std::to_string(step));
      model.push_back(std::to_string(step));
    } else {
      ASSERT_EQ(fifo.PopFront(), model.front());
      model.pop_front();
    }
    ASSERT_EQ(fifo.size(), model.size());
    ASSERT_EQ(fifo.empty(), model.empty());
    if (!model.empty()) {
      ASSERT_EQ(fifo.front(), model.front());
      ASSERT_EQ(fifo.back(), model.back());
    }
  }
}

}  // namespace
}  // namespace gyre
