#include "client/cluster_map.h"

#include <utility>

#include "client/steady_clock.h"

namespace gyre {
namespace {

Result<std::string> Ask(RespClient& node, std::string_view command, Instant deadline) {
  const std::string_view words[] = {command};
  Result<RespValue> reply = node.Call(words, deadline - SteadyNow());
  if (!reply) return Fail(std::move(reply.error()));
  if (reply->is_error()) return Fail(ErrorOfReply(reply->text));
  return std::move(reply->text);
}

}  // namespace

Result<NodeFacts> ClusterMap::Meet(RespClient& node, Instant deadline) {
  const Result<std::string> status = Ask(node, "KV.STATUS", deadline);
  if (!status) return Fail(status.error());
  Result<NodeFacts> facts = ParseNodeFacts(*status, keyspace_);
  if (!facts) return facts;
  if (Status checked = CheckCluster(*facts); !checked) return Fail(std::move(checked.error()));
  const std::shared_ptr<const RingView> known = ring();
  if (known == nullptr || known->OutdatedBy(facts->ring)) {
    // A ring that cannot be had is no reason to refuse the node: it serves all the same.
    const Result<std::string> text = Ask(node, "KV.RING", deadline);
    if (text) Adopt(*text, facts->ring.copies);
  }
  return facts;
}

Status ClusterMap::CheckCluster(const NodeFacts& facts) {
  const std::lock_guard lock(mutex_);
  if (!cluster_) cluster_ = facts.cluster;
  if (*cluster_ == facts.cluster) return {};
  return Fail(ErrorCode::kInvalidArgument, "it is node '" + facts.name + "' of the cluster '" +
                                               facts.cluster + "', while others are of '" +
                                               *cluster_ + "'");
}

void ClusterMap::LearnRing(std::string_view ring_json) { Adopt(ring_json, ring()->mark().copies); }

void ClusterMap::Adopt(std::string_view ring_json, const Copies& copies) {
  Result<RingView> learned = RingView::Parse(ring_json, copies);
  if (!learned) return;
  auto view = std::make_shared<const RingView>(std::move(*learned));
  {
    const std::lock_guard lock(mutex_);
    // Another thread may have learned a later one meanwhile.
    if (ring_ != nullptr && !ring_->OutdatedBy(view->mark())) return;
    ring_ = std::move(view);
  }
  ring_hook_();
}

std::shared_ptr<const RingView> ClusterMap::ring() const {
  const std::lock_guard lock(mutex_);
  return ring_;
}

}  // namespace gyre
