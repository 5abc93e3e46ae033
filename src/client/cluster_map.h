// What a client knows of the cluster: which one it is, and its ring. Any thread may call.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "client/resp_client.h"
#include "client/ring_view.h"

namespace gyre {

class ClusterMap {
 public:
  explicit ClusterMap(std::string keyspace) : keyspace_(std::move(keyspace)) {}

  // Asks a node just connected to who it is, and for the ring if it knows of a later one. The first
  // node ever met says which cluster this is.
  // Errors: kInvalidArgument (a node of another cluster; no such keyspace), kUnsupported, or
  // those of the call.
  Result<NodeFacts> Meet(RespClient& node, Instant deadline);
  // From KV.RING: kept if it is a later one. REQUIRES: there is a ring.
  void LearnRing(std::string_view ring_json);
  // Called each time that there is another ring, on the thread that learned it. Set before that.
  void SetRingHook(std::function<void()> hook) { ring_hook_ = std::move(hook); }

  // Null until a node has told it: then any node will do, if less directly.
  std::shared_ptr<const RingView> ring() const;

 private:
  Status CheckCluster(const NodeFacts& facts);
  void Adopt(std::string_view ring_json, const Copies& copies);

  const std::string keyspace_;
  std::function<void()> ring_hook_ = [] {};
  mutable std::mutex mutex_;
  std::optional<std::string> cluster_;
  std::shared_ptr<const RingView> ring_;
};

}  // namespace gyre
