// Who speaks for the whole node, on its first shard's loop: hears what other nodes say to the node
// and not to one of its shards. Implemented by ClusterKeeper; called by ShardLoop on that loop's
// thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/wire/message_codec.h"
#include "core/wire/messages.h"

namespace gyre {

class NodeAgent {
 public:
  virtual ~NodeAgent() = default;
  // From a peer, over any of its links.
  virtual void OnNodeMessage(NodeId from, NodeMessage&& message) = 0;
  // As the first shard sees it.
  virtual void OnPeerUp(NodeId peer, const LinkTerms& terms) = 0;
  virtual void OnPeerDown(NodeId peer) = 0;
  // Nodes that are no peers (net/peer_links.h).
  virtual void OnGuestUp(NodeId guest, std::string_view name) = 0;
  virtual void OnGuestDown(NodeId guest) = 0;
  virtual void OnGuestMessage(NodeId from, NodeMessage&& message) = 0;
  // Nobody at this address could be dialed as a host.
  virtual void OnGuestUnreachable(std::string_view address, std::string_view problem) = 0;
  // A node of a cluster of the same id was refused, by any shard, as that was founded apart.
  virtual void OnFoundedApart(const Handshake& theirs) = 0;
  // What an operator says to the cluster; JSON in and out. `done` comes once.
  virtual void OnCommand(std::string verb, std::string body,
                         std::function<void(Result<std::string>)> done) = 0;
};

}  // namespace gyre
