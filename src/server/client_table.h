// Requests that front ends of this shard's thread, or other shards, have handed to the core and
// that are not answered yet. The core knows them by ClientId.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "core/ids.h"
#include "server/backend.h"

namespace gyre {

struct PendingClient {
  ResultSink* sink = nullptr;  // null: another shard asked
  std::uint64_t tag = 0;
  ShardId from_shard;     // if another shard asked
  ClientId from_client;   // its own id for the request
  std::size_t bytes = 0;  // of the value that it writes, if that is large
};

class ClientTable {
 public:
  ClientId Add(const PendingClient& client) {
    std::uint64_t slot;
    if (free_.empty()) {
      slot = slots_.size();
      slots_.push_back(client);
    } else {
      slot = free_.back();
      free_.pop_back();
      slots_[slot] = client;
    }
    ++size_;
    return ClientId(slot);
  }
  // The core answers each request exactly once, so an id is taken exactly once.
  PendingClient Take(ClientId id) {
    GYRE_CHECK(id.value < slots_.size() && size_ > 0);
    free_.push_back(id.value);
    --size_;
    return std::exchange(slots_[id.value], PendingClient{});
  }
  std::size_t size() const { return size_; }

 private:
  std::vector<PendingClient> slots_;
  std::vector<std::uint64_t> free_;
  std::size_t size_ = 0;
};

}  // namespace gyre
