#include "sim/scale/scale_world.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "core/membership/membership_codec.h"

namespace gyre::sim {
namespace {

// Length, checksum and shards; the codec counts the type.
constexpr std::size_t kFrameOverhead = 12;

}  // namespace

ScaleWorld::ScaleWorld(const ScaleOptions& options)
    : config_(options.config),
      encoded_(options.encoded),
      loss_per_million_(options.loss_per_million),
      prng_(options.seed) {}

std::string ScaleWorld::AddressOf(std::size_t node) const {
  return at(node).table().Find(id(node))->description->fields().peer_address;
}

std::size_t ScaleWorld::Add(std::vector<std::string> seeds) {
  const std::size_t number = nodes_.size();
  std::string name = "node-" + std::to_string(number);
  NodeId id;
  for (;; name += "x") {  // ids are short hashes of names: no two alike
    id = NodeId(static_cast<std::uint32_t>(Xxh3_64(name)) & kNodeIdMax);
    if (id != NodeId() && index_.count(id.value) == 0) break;
  }
  MemberDescription fields;
  fields.name = name;
  const std::string host =
      "10.1." + std::to_string(number / 256) + "." + std::to_string(number % 256);
  fields.peer_address = host + ":7381";
  fields.resp_address = host + ":7379";
  fields.http_address = host + ":7380";
  fields.zone = "zone-" + std::to_string(number % 3);
  fields.region = "region";
  fields.protocol_min = 3;
  fields.protocol_max = 3;
  index_[id.value] = number;
  return AddNode({id, 1, SharedDescription::Make(std::move(fields)).value()}, std::move(seeds));
}

std::size_t ScaleWorld::AddClone(std::size_t of) {
  const MemberTable& known = at(of).table();
  MemberDescription fields = known.Find(id(of))->description->fields();
  fields.peer_address = "10.2.0." + std::to_string(nodes_.size()) + ":7381";
  // Each start raises what is kept.
  const std::size_t clone = AddNode(
      {id(of), at(of).incarnation() + 1, SharedDescription::Make(std::move(fields)).value()}, {});
  clones_[id(of).value] = clone;
  for (std::size_t i = 0; i < known.size(); ++i) {
    nodes_[clone].membership->Restore(known.NewsOf(known.id_at(i), /*with_description=*/true),
                                      now_);
  }
  return clone;
}

std::size_t ScaleWorld::AddNode(Membership::Identity identity, std::vector<std::string> seeds) {
  const std::size_t number = nodes_.size();
  by_address_[identity.description->fields().peer_address] = number;
  Node node;
  node.prng = Prng(prng_.Next());
  node.membership = std::make_unique<Membership>(config_, std::move(identity), std::move(seeds));
  nodes_.push_back(std::move(node));
  return number;
}

void ScaleWorld::Acquaint(std::size_t first, std::size_t last) {
  std::vector<MemberNews> records;
  for (std::size_t i = first; i < last; ++i) {
    records.push_back(at(i).table().NewsOf(id(i), /*with_description=*/true));
  }
  std::sort(records.begin(), records.end(),
            [](const MemberNews& a, const MemberNews& b) { return a.id < b.id; });
  for (std::size_t i = first; i < last; ++i) {
    for (const MemberNews& record : records) nodes_[i].membership->Restore(record, now_);
  }
}

void ScaleWorld::Start(std::size_t node) {
  nodes_[node].running = true;
  Do(node, [](Membership& membership, MembershipTurn& turn) { membership.Start(turn); });
}

void ScaleWorld::Freeze(std::size_t node, Instant until) {
  nodes_[node].frozen = true;
  Push(until, What::kThaw, static_cast<std::uint32_t>(node));
}

void ScaleWorld::Push(Instant time, What what, std::uint32_t which) {
  heap_.push_back({std::max(time, now_).us, next_order_++, what, which});
  std::push_heap(heap_.begin(), heap_.end(), Later);
}

void ScaleWorld::RunUntil(Instant time) {
  while (!heap_.empty() && heap_.front().time <= time.us) {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Event event = heap_.back();
    heap_.pop_back();
    now_ = Instant{event.time};
    ++events_run_;
    Run(event);
  }
  now_ = time;
}

void ScaleWorld::Run(const Event& event) {
  switch (event.what) {
    case What::kDeliver:
      return Deliver(event.which);
    case What::kWake: {
      Node& node = nodes_[event.which];
      if (node.frozen || node.wake.us != event.time) return;
      node.wake = Instant::Max();
      return Wake(event.which);
    }
    case What::kThaw: {
      Node& node = nodes_[event.which];
      node.frozen = false;
      node.wake = Instant::Max();
      Wake(event.which);
      for (const std::uint32_t slot : std::exchange(node.inbox, {})) Deliver(slot);
      return;
    }
  }
}

void ScaleWorld::Wake(std::size_t node) {
  if (!nodes_[node].running) return;
  MembershipTurn turn = TurnOf(node);
  if (nodes_[node].membership->NextWake() <= now_) nodes_[node].membership->OnTick(turn);
  CarryOut(node);
}

void ScaleWorld::Deliver(std::uint32_t slot) {
  Node& node = nodes_[slots_[slot].to];
  if (node.running && node.frozen) {
    node.inbox.push_back(slot);
    return;
  }
  const Slot arrived = std::move(slots_[slot]);
  slots_[slot].message = MembershipMessage();
  free_slots_.push_back(slot);
  if (!node.running) return;
  trace_hash_ = (trace_hash_ ^ static_cast<std::uint64_t>(now_.us) ^ arrived.from ^
                 std::uint64_t{arrived.to} << 32 ^ arrived.message.index() << 56) *
                0x9E3779B97F4A7C15u;
  MembershipTurn turn = TurnOf(arrived.to);
  node.membership->OnMessage(id(arrived.from), arrived.message, turn);
  CarryOut(arrived.to);
}

void ScaleWorld::CarryOut(std::size_t node) {
  for (MembershipSend& send : out_.sends) Send(node, send);
  out_.sends.clear();
  if (on_event) {
    for (const MembershipEvent& event : out_.events) on_event(node, event);
  }
  out_.events.clear();
  const Instant wake = nodes_[node].membership->NextWake();
  if (wake < nodes_[node].wake) {
    nodes_[node].wake = std::max(wake, now_);
    Push(wake, What::kWake, static_cast<std::uint32_t>(node));
  }
}

std::size_t ScaleWorld::ReceiverOf(const MembershipSend& send) {
  if (send.to == NodeId()) {
    const auto it = by_address_.find(send.address);
    return it == by_address_.end() ? size() : it->second;
  }
  const auto clone = clones_.find(send.to.value);
  const bool other = clone != clones_.end() && running(clone->second) && prng_.Chance(500'000);
  return other ? clone->second : IndexOf(send.to);
}

void ScaleWorld::Send(std::size_t from, MembershipSend& send) {
  const std::size_t to = ReceiverOf(send);
  if (to == size()) return;
  ++messages_sent_;
  bytes_sent_ += MembershipBytes(send.message) + kFrameOverhead;
  if (!nodes_[to].running) return;
  if (prng_.Chance(loss_per_million_) || (reach_ && !reach_(from, to))) return;
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot].from = static_cast<std::uint32_t>(from);
  slots_[slot].to = static_cast<std::uint32_t>(to);
  if (encoded_) {
    auto decoded = DecodeMembership(EncodeMembership(send.message).view());
    GYRE_CHECK(decoded.has_value());
    slots_[slot].message = std::move(*decoded);
  } else {
    slots_[slot].message = std::move(send.message);
  }
  Push(now_ + Duration::Micros(DrawDelayUs()), What::kDeliver, slot);
}

// One way within a data centre: 0.3 to 1.3 ms, one message in 64 up to 20 ms, one in 4,096 up to
// 150 ms more.
std::int64_t ScaleWorld::DrawDelayUs() {
  const std::uint64_t draw = prng_.Next();
  auto delay = static_cast<std::int64_t>(300 + (draw & 1023));
  if ((draw >> 10 & 63) == 0) delay += static_cast<std::int64_t>(prng_.Below(20'000));
  if ((draw >> 16 & 4095) == 0) delay += static_cast<std::int64_t>(prng_.Below(150'000));
  return delay;
}

}  // namespace gyre::sim
