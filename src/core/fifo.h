// A queue that is nearly always short: the first element needs no allocation (a std::deque makes
// two before it holds anything). Popping is O(1) amortised: what was popped is given back when it
// makes up half of what is held.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <utility>

namespace gyre {

template <typename T>
class Fifo {
 public:
  bool empty() const { return head_ == items_.size(); }
  std::size_t size() const { return items_.size() - head_; }
  // REQUIRES of the next three: !empty().
  T& front() { return items_[head_]; }
  T& back() { return items_.back(); }
  T PopFront() {
    T first = std::move(items_[head_++]);
    if (head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    } else if (head_ >= kKeptMax && head_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    return first;
  }
  void PushBack(T item) { items_.push_back(std::move(item)); }

 private:
  static constexpr std::size_t kKeptMax = 32;
  boost::container::small_vector<T, 1> items_;
  std::size_t head_ = 0;  // those before it were popped
};

}  // namespace gyre
