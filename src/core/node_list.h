// A few nodes of one key, in order: owners, those of them asked, those that answered. Fixed in size
// and trivially copied, because every request carries several. While a partition moves it has
// twice as many owners as N.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "core/config.h"
#include "core/ids.h"

namespace gyre {

class NodeList {
 public:
  static constexpr std::size_t kCountMax = 2 * kReplicasMax;

  NodeList() = default;
  NodeList(NodeId only) { push_back(only); }
  // REQUIRES: size() < kCountMax.
  void push_back(NodeId node) {
    GYRE_CHECK(count_ < nodes_.size());
    nodes_[count_++] = node;
  }
  // No effect if it is not there.
  void Remove(NodeId node) {
    NodeId* const last = std::remove(nodes_.data(), nodes_.data() + count_, node);
    count_ = static_cast<std::uint32_t>(last - nodes_.data());
  }
  // REQUIRES of the next two: !empty().
  NodeId front() const { return nodes_[0]; }
  NodeId TakeFront() {
    GYRE_CHECK(count_ > 0);
    const NodeId first = nodes_[0];
    std::copy(begin() + 1, end(), nodes_.data());
    --count_;
    return first;
  }
  bool Contains(NodeId node) const { return std::find(begin(), end(), node) != end(); }
  void clear() { count_ = 0; }
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

  std::span<const NodeId> span() const { return {begin(), count_}; }
  // The first `count`, or all if there are fewer.
  std::span<const NodeId> First(std::size_t count) const {
    return span().first(std::min<std::size_t>(count, count_));
  }
  const NodeId* begin() const { return nodes_.data(); }
  const NodeId* end() const { return nodes_.data() + count_; }

 private:
  std::uint32_t count_ = 0;
  std::array<NodeId, kCountMax> nodes_;
};

}  // namespace gyre
