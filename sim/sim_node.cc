#include "sim/sim_node.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

#include "core/node.h"

namespace gyre::sim {
namespace {

enum Happening : std::uint64_t {
  kStart = 1,
  kCrash,
  kStop,
  kRun,
  kSend,
  kRead,
  kWrite,
  kReply,
  kReadAtHand,
  kWriteAtHand
};

// Is that among what this version of the peer protocol says?
bool Knows(std::uint16_t version, const Message& message) {
  const auto has = [version](Feature feature) { return version >= FirstVersionOf(feature); };
  const auto options_known = [&](const RequestOptions& options) {
    return !options.names_regions() || has(Feature::kRegions);
  };
  if (std::holds_alternative<RangeGet>(message) || std::holds_alternative<RangeGetReply>(message)) {
    return has(Feature::kStreaming);
  }
  if (const auto* greeting = std::get_if<Greeting>(&message)) {
    return !greeting->unfilled || has(Feature::kFilling);
  }
  if (const auto* get = std::get_if<ForwardGet>(&message)) {
    return options_known(get->request.options);
  }
  if (const auto* put = std::get_if<ForwardPut>(&message)) {
    return options_known(put->request.options);
  }
  const auto* scan = std::get_if<ReplicaScan>(&message);
  return scan == nullptr || options_known(scan->request.options);
}

}  // namespace

SimNode::SimNode(Surroundings& world, int index, NodeId id, std::uint16_t shard_count,
                 std::uint64_t seed, const StorageProfile& storage, const SimClock& clock)
    : world_(world),
      view_(world.view),
      index_(index),
      id_(id),
      shard_count_(shard_count),
      prng_(seed),
      storage_(*world.events, prng_.Next(), storage, LeafBitsOf(world.view->ring.section_bits())),
      clock_(clock) {
  storage_.acknowledges_before_sync = world_.plant->acknowledges_before_sync();
  storage_.on_durable = [this](const RowKey& key, const std::optional<Row>& row) {
    world_.judge->OnDurable(index_, key, row);
  };
}

// ---- start and stop ----------------------------------------------------------------------------

void SimNode::Start() {
  GYRE_CHECK(!up());
  ++life_;
  if (world_.plant->loses_notes()) storage_.LoseNotes();
  write_errors_at_start_ = storage_.counters().write_errors;
  std::optional<CleanStop> stop;
  if (clean_stop_) {
    Result<CleanStop> decoded = DecodeCleanStop(*clean_stop_);
    GYRE_CHECK(decoded.has_value());
    stop = std::move(*decoded);
    clean_stop_.reset();
  }
  const std::vector<ShardActor> actors =
      ChooseActors(id_, shard_count_, stop, "disk " + std::to_string(disk_), prng_);
  CoreConfig config = world_.config;
  if (!storage_.profile().sync) config.sync_lag = Duration{storage_.profile().sync_interval_us};
  world_.plant->OnConfig(config);
  for (std::uint16_t i = 0; i < shard_count_; ++i) {
    ShardOptions options{
        id_,          ShardId(i), shard_count_, actors[i].actor,  actors[i].next_epoch,
        prng_.Next(), config,     LeavesOf(i),  actors[i].resumes};
    options.fills = fills_;
    world_.plant->OnStart(options, replaced_);
    world_.trace->Event(world_.events->now(), kStart, id_.value, options.actor.value);
    at_hand_.push_back(std::make_unique<AtHand>(*this, i));
    shards_.push_back(std::make_unique<Shard>(options, view_, at_hand_.back().get()));
  }
  next_tick_.assign(shards_.size(), SimClock::kFarFuture);
  returns_.assign(shards_.size(), {view_->member_count() == 1, went_back_, 0, {}});
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    returns_[i].may_serve = returns_[i].may_serve || actors[i].resumes;
  }
  links_.clear();
  started_ = 0;
  serves_from_ = LocalNow().instant + config.start_grace;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Dispatch(i, [this](Shard& shard, Now now, Effects& out) {
      shard.OnStart(now, out);
      ++started_;
    });
  }
}

std::vector<LeafSum> SimNode::LeavesOf(std::uint16_t shard) const {
  std::vector<LeafSum> leaves;
  for (const LeafSum& leaf : storage_.Leaves()) {
    const std::uint32_t section = leaf.leaf >> kLeafBitsPerSection;
    if (section % shard_count_ == shard) leaves.push_back(leaf);
  }
  return leaves;
}

void SimNode::DropShards() {
  for (const auto& shard : shards_) {
    former_ += shard->counters();
  }
  shards_.clear();
  at_hand_.clear();
  ++life_;
  paused_until_ = 0;
}

SimStorage::RowList SimNode::Crash(CrashKind kind) {
  GYRE_CHECK(up());
  world_.trace->Event(world_.events->now(), kCrash, id_.value, static_cast<std::uint64_t>(kind));
  DropShards();
  world_.judge->OnCrash(index_);
  // What was told to others may be gone with the rest.
  went_back_ = went_back_ || (kind == CrashKind::kPower && !storage_.profile().sync);
  return storage_.Crash(kind);
}

void SimNode::StopCleanly() {
  GYRE_CHECK(up());
  world_.trace->Event(world_.events->now(), kStop, id_.value);
  // As the server does: after a failed write some dot may be on a peer and not here, so nothing is
  // left that would let the next start go on with these actors.
  const bool failed = storage_.counters().write_errors > write_errors_at_start_ ||
                      (storage_.failing() && storage_.writes_under_way() > 0);
  if (!failed) {
    CleanStop stop{"disk " + std::to_string(disk_), {}};
    for (const auto& shard : shards_) {
      stop.shards.push_back({shard->dots().actor(), shard->dots().next_epoch()});
    }
    clean_stop_ = EncodeCleanStop(stop);
  }
  DropShards();
  storage_.Close();
  world_.judge->OnCrash(index_);
}

SimStorage::RowList SimNode::WipeDisk() {
  GYRE_CHECK(!up());
  ++disk_;
  replaced_ = went_back_ = fills_ = true;
  clean_stop_.reset();
  return storage_.Wipe();
}

SimStorage::RowList SimNode::RestoreDisk(const DiskImage& image) {
  GYRE_CHECK(!up());
  ++disk_;
  replaced_ = went_back_ = true;
  clean_stop_.reset();
  return storage_.Restore(image);
}

std::size_t SimNode::requests_in_flight() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) count += shard->requests_in_flight();
  return count;
}

std::size_t SimNode::tasks_in_flight() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) count += shard->tasks_in_flight();
  return count;
}

bool SimNode::TreesAreRight() const {
  if (view_->member_count() < 2) return true;
  const int bits = LeafBitsOf(view_->ring.section_bits());
  std::map<std::pair<KeyspaceId, std::uint32_t>, std::uint64_t> sums;
  for (const auto& [key, row] : storage_.rows()) {
    if (key.is_hint() || IsNote(key)) continue;
    sums[{key.keyspace, LeafOf(key.token, bits)}] += RowDigest(key, row.record.view());
  }
  for (const LeafSum& leaf : storage_.Leaves()) {
    if (sums[{leaf.keyspace, leaf.leaf}] != leaf.sum) return false;
  }
  for (const auto& [name, sum] : sums) {
    const std::uint32_t section = name.second >> kLeafBitsPerSection;
    const Shard& shard = *shards_[section % shard_count_];
    if (shard.ledger().tree().SumOf(name.first, {bits, name.second}) != sum) return false;
  }
  return true;
}

// ---- events ------------------------------------------------------------------------------------

void SimNode::PauseUntil(std::int64_t time) {
  ++pauses_;
  paused_until_ = std::max(paused_until_, time);
}

void SimNode::Later(std::uint64_t life, std::size_t shard, Handler handler) {
  world_.events->At(paused_until_, [this, life, shard, handler = std::move(handler)]() mutable {
    if (life != life_) return;
    if (paused()) return Later(life, shard, std::move(handler));
    Run(shard, handler);
  });
}

void SimNode::Dispatch(std::size_t shard, Handler handler) {
  if (!up()) return;
  if (paused()) return Later(life_, shard, std::move(handler));
  Run(shard, handler);
}

void SimNode::Run(std::size_t index, const Handler& handler) {
  Shard& shard = *shards_[index];
  const Now now = LocalNow();
  world_.judge->SetTime(world_.events->now());
  wall_max_ = std::max(wall_max_, now.wall);
  const ActorId actor_before = shard.dots().actor();
  Effects effects;
  handler(shard, now, effects);
  NoteSetAside(index);
  NoteFilled();
  Witness witness = WitnessOf(index);
  witness.actor_before = actor_before;
  world_.trace->Event(world_.events->now(), kRun, id_.value, index, effects.size(),
                      shard.requests_in_flight());
  if (shard.requests_in_flight() > world_.config.requests_in_flight_max) {
    world_.judge->Report(Checker::kBounds, "more requests in flight than allowed");
  }
  Perform(index, effects, witness);
  ScheduleTick(index);
}

Witness SimNode::WitnessOf(std::size_t index) const {
  const ActorId actor = shards_[index]->dots().actor();
  const Return& back = returns_[index];
  return {index_,    LocalNow().wall,    actor,          actor, &storage_,
          wall_max_, back.set_aside > 0, back.went_back, view_};
}

void SimNode::NoteFilled() {
  if (!fills_ || started_ < shards_.size()) return;
  fills_ = std::any_of(shards_.begin(), shards_.end(),
                       [](const auto& shard) { return shard->repair_state().unfilled > 0; });
}

// A shard begins to set a partition aside: it may, if its disk has gone back.
void SimNode::NoteSetAside(std::size_t index) {
  Return& back = returns_[index];
  const std::uint64_t count = shards_[index]->counters().partitions_set_aside;
  if (count == back.set_aside) return;
  back.set_aside = count;
  if (back.went_back) return;
  world_.judge->Report(
      Checker::kMonotone,
      "node " + std::to_string(index_) + " sets a partition aside, and its disk is as it was");
}

// A shard has taken over what one of a peer's has told: it has met that peer once it has so with
// each that it has partitions in common with.
void SimNode::NoteTaken(std::size_t index, NodeId peer, const std::optional<ShardId>& peer_shard) {
  Return& back = returns_[index];
  const auto link = links_.find(peer);
  if (link == links_.end() || !peer_shard) return;
  std::set<ShardId>& taken = back.taken[peer];
  taken.insert(*peer_shard);
  const int common = link->second.shard_count / std::gcd(link->second.shard_count, shard_count_);
  if (static_cast<int>(taken.size()) < common) return;
  back.may_serve = true;
  // Who came with it need not have known what was promised before.
  if (newcomer_ && world_.joined(peer) >= joined_) return;
  back.went_back = false;
  if (std::any_of(returns_.begin(), returns_.end(), [](const Return& r) { return r.went_back; })) {
    return;
  }
  replaced_ = went_back_ = newcomer_ = false;
}

void SimNode::ScheduleTick(std::size_t index) {
  if (world_.plant->never_ticks()) return;
  const Instant wake = shards_[index]->NextWake();
  if (wake == Instant::Max()) return;
  // Always later than now: a timer of the past would otherwise hold the world still.
  const std::int64_t due = std::max(clock_.WorldTimeOf(wake), world_.events->now() + 1);
  if (next_tick_[index] <= due && next_tick_[index] > world_.events->now()) return;
  next_tick_[index] = due;
  world_.events->At(due, [this, life = life_, index, due] {
    if (life != life_ || next_tick_[index] != due) return;
    next_tick_[index] = SimClock::kFarFuture;
    Dispatch(index, [](Shard& shard, Now now, Effects& out) { shard.OnTick(now, out); });
  });
}

void SimNode::SetView(ClusterViewPtr view) {
  view_ = std::move(view);
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    // Each thread takes it when it comes to it, and no shard has seen one that is not on the disk.
    Dispatch(
        i, [taken = view_](Shard& shard, Now now, Effects& out) { shard.OnView(taken, now, out); });
  }
}

void SimNode::OnRequest(ClientId client, ClientRequest request, int read_needed) {
  if (!up()) return;
  world_.judge->OnRequest(index_, request, /*doubled=*/false);
  world_.plant->OnRequest(request, read_needed);
  const ShardId shard = ShardOfRequest(request, view_->ring, shard_count_);
  Dispatch(shard.value, [client, request = std::move(request)](Shard& s, Now now, Effects& out) {
    ClientRequest taken = request;
    ClientResult result;
    if (s.AnswerAtOnce(taken, now, result)) {
      out.emplace_back(ReplyEffect{client, std::move(result)});
    } else {
      s.OnClientRequest(client, std::move(taken), now, out);
    }
  });
}

void SimNode::OnFrame(int from, const Bytes& frame, Fate fate) {
  if (!up()) return;
  const Result<FrameHeader> header = DecodeFrameHeader(frame.view().substr(0, kFrameHeaderBytes));
  const bool whole = header && header->body_bytes == frame.size() - kFrameHeaderBytes;
  Result<Envelope> envelope = Fail(ErrorCode::kCorruption, "length");
  if (whole) {
    envelope =
        DecodeFrameBody(*header, frame.Slice(kFrameHeaderBytes, frame.size() - kFrameHeaderBytes));
  }
  if (fate.flipped == envelope.has_value()) {
    world_.judge->Report(Checker::kInvented, fate.flipped ? "a flipped frame was accepted"
                                                          : "a good frame was refused");
  }
  if (!envelope) return;
  // A connection ends with the process; what it carried is never mixed with what the next one does.
  // For all else the protocol does not rely on that.
  if (const auto* greeting = std::get_if<Greeting>(&envelope->message)) {
    if (!world_.greets(from, *greeting)) return;
  }
  const NodeId peer = world_.ids[static_cast<std::size_t>(from)];
  world_.plant->OnDelivered(envelope->message, {*view_, id_, peer});
  world_.judge->OnDelivered(index_, envelope->message);
  if (const auto* forward = std::get_if<ForwardPut>(&envelope->message)) {
    world_.judge->OnRequest(index_, forward->request, fate.doubled);
  }
  const ShardId shard = ShardOfMessage(*envelope, view_->ring, shard_count_);
  if (const auto* put = std::get_if<ReplicaPut>(&envelope->message)) {
    const BallotBook& ballots = shards_[shard.value]->ledger().ballots();
    if (put->stamp < ballots.Floor(put->key)) world_.judge->CountStaleCopy(put->repair);
  }
  Dispatch(shard.value, [peer, e = std::move(*envelope)](Shard& s, Now now, Effects& out) {
    s.OnMessage(peer, e.from_shard, Message(e.message), now, out);
  });
}

void SimNode::OnPeerUp(NodeId peer, const LinkTerms& terms) {
  links_[peer] = terms;
  for (Return& back : returns_) back.taken.erase(peer);
  LinkTerms told = terms;
  world_.plant->OnLink(told);
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Dispatch(i, [peer, told](Shard& shard, Now now, Effects& out) {
      shard.OnPeerUp(peer, told, now, out);
    });
  }
}

void SimNode::OnPeerDown(NodeId peer) {
  if (world_.plant->hides_downs()) return;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Dispatch(i, [peer](Shard& shard, Now now, Effects& out) { shard.OnPeerDown(peer, now, out); });
  }
}

bool SimNode::IsOfThisLife(const Greeting& greeting) const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [&](const auto& shard) { return shard->run() == greeting.run; });
}

// ---- storage within the call -------------------------------------------------------------------

std::optional<Result<std::optional<Row>>> SimNode::AtHand::ReadAtHand(const RowKey& key) {
  Surroundings& world = node_.world_;
  auto row = node_.storage_.ReadAtHand(key);
  if (!row) return row;
  world.trace->Event(world.events->now(), kReadAtHand, node_.id_.value, shard_);
  if (**row) world.judge->OnRowRead(node_.index_, key, ***row);
  world.plant->OnRead(*row);
  return row;
}

void SimNode::AtHand::WriteAtHand(const RowKey& key, const std::optional<Row>& asked,
                                  std::uint64_t leaf_delta) {
  SimNode& node = node_;
  Surroundings& world = node.world_;
  std::optional<Row> row = asked;
  if (!IsNote(key)) node.Tamper(key, row);
  world.trace->Event(world.events->now(), kWriteAtHand, node.id_.value,
                     row ? row->record.view() : std::string_view());
  world.judge->OnWriteAsked(node.WitnessOf(shard_), key, row);
  node.storage_.WriteAtHand(key, row, leaf_delta);
}

// ---- effects -----------------------------------------------------------------------------------

void SimNode::Perform(std::size_t index, Effects& effects, const Witness& witness) {
  const std::int64_t now = world_.events->now();
  for (Effect& effect : effects) {
    if (auto* send = std::get_if<SendEffect>(&effect)) {
      for (const NodeId to : send->to) Send(index, to, *send, witness);
    } else if (auto* read = std::get_if<ReadEffect>(&effect)) {
      world_.trace->Event(now, kRead, read->id.value);
      storage_.Read(
          read->key, [this, index, id = read->id, key = read->key](Result<std::optional<Row>> row) {
            if (row && *row) world_.judge->OnRowRead(index_, key, **row);
            world_.plant->OnRead(row);
            Dispatch(index, [id, row = std::move(row)](Shard& shard, Now at, Effects& out) {
              shard.OnReadDone(id, row, at, out);
            });
          });
    } else if (auto* write = std::get_if<WriteEffect>(&effect)) {
      if (!IsNote(write->key)) Tamper(write->key, write->row);
      world_.trace->Event(now, kWrite, write->id.value,
                          write->row ? write->row->record.view() : std::string_view());
      world_.judge->OnWriteAsked(witness, write->key, write->row);
      if (world_.plant->OnStore(*write)) {
        world_.events->After(1'000, [this, life = life_, index, id = write->id] {
          if (life != life_) return;
          Dispatch(index, [id](Shard& shard, Now at, Effects& out) {
            shard.OnWriteDone(id, {}, at, out);
          });
        });
        continue;
      }
      storage_.Write(write->key, std::move(write->row), write->leaf_delta,
                     [this, index, id = write->id](Status done) {
                       Dispatch(index,
                                [id, done = std::move(done)](Shard& shard, Now at, Effects& out) {
                                  shard.OnWriteDone(id, done, at, out);
                                });
                     });
    } else if (const auto* scan = std::get_if<ScanEffect>(&effect)) {
      Scan(index, *scan);
    } else {
      auto& reply = std::get<ReplyEffect>(effect);
      world_.trace->Event(now, kReply, reply.client.value, reply.result.has_value());
      if (reply.result && !returns_[index].may_serve && LocalNow().instant < serves_from_) {
        world_.judge->Report(Checker::kSessions,
                             "node " + std::to_string(index_) +
                                 " serves a client, and has not met a whole member yet");
      }
      world_.plant->OnAnswer(reply.result);
      world_.answer(witness, reply.client, std::move(reply.result));
    }
  }
}

void SimNode::Tamper(const RowKey& key, std::optional<Row>& row) {
  PlantedBug& plant = *world_.plant;
  const Row* before = storage_.Latest(key);
  if (row) {
    plant.OnWrite(key, before, *row);
  } else if (before != nullptr) {
    plant.OnDrop(key, *before);
  }
  if (!row || key.is_hint() || plant.purges_after_us() == 0) return;
  const Result<Record> record = Record::Decode(row->record);
  if (!record || record->AnyLiveAt(LocalNow().wall)) return;
  // By the message that ends a ballot, of which there was none.
  Ballot ballot;
  ballot.epoch = view_->EpochOf(key.token);
  ballot.step = Ballot::Step::kDrop;
  ballot.section = view_->ring.SectionOf(key.token);
  ballot.rows.push_back({key, RowDigest(key, row->record.view())});
  world_.events->After(plant.purges_after_us(), [this, life = life_, ballot] {
    if (life != life_) return;
    const auto& members = view_->ring.members();
    const NodeId peer = members[members[0].id == id_ && members.size() > 1 ? 1 : 0].id;
    world_.judge->OnDelivered(index_, ballot);
    Dispatch(ballot.section.value % shard_count_, [peer, ballot](Shard& s, Now at, Effects& out) {
      s.OnMessage(peer, ShardId(0), Message(ballot), at, out);
    });
  });
}

void SimNode::Send(std::size_t index, NodeId to, SendEffect effect, const Witness& witness) {
  world_.judge->OnSend(witness, effect.message);
  if (const auto* greeting = std::get_if<Greeting>(&effect.message); greeting && greeting->taken) {
    NoteTaken(index, to, effect.to_shard);
  }
  const auto target = world_.node_of.find(to);
  if (target == world_.node_of.end() || target->second == index_) {
    return world_.judge->Report(Checker::kInvented, "a message to nobody, or to itself");
  }
  if (auto answer = world_.plant->OnAsk(effect.message, {*view_, id_, to})) {
    world_.events->After(1'000, [this, life = life_, index, to, answer = std::move(*answer)] {
      if (life != life_) return;
      Dispatch(index, [to, answer](Shard& s, Now at, Effects& out) {
        s.OnMessage(to, ShardId(0), Message(answer), at, out);
      });
    });
    return;
  }
  if (world_.plant->OnMessage(index_, target->second, effect.message)) return;
  const auto link = links_.find(to);
  if (link != links_.end() && !Knows(link->second.version, effect.message)) {
    return world_.judge->Report(Checker::kInvented,
                                "node " + std::to_string(index_) + " sends " +
                                    std::to_string(target->second) + " what protocol " +
                                    std::to_string(link->second.version) + " does not know");
  }
  const Bytes frame = EncodeFrame(Envelope{ShardId(static_cast<std::uint16_t>(index)),
                                           effect.to_shard, std::move(effect.message)});
  world_.trace->Event(world_.events->now() + static_cast<std::int64_t>(world_.plant->Disturbance()),
                      kSend, to.value, frame.view());
  world_.network->Send(index_, target->second, frame);
}

void SimNode::Scan(std::size_t index, const ScanEffect& effect) {
  storage_.Scan(effect.range, [this, index, id = effect.id](Result<ScanPage> page) {
    if (page) {
      std::erase_if(page->rows, [this](const ScannedRow& row) {
        return world_.plant->hides_row(row.key, *view_);
      });
      for (const ScannedRow& row : page->rows) world_.judge->OnRowRead(index_, row.key, row.row);
    }
    Dispatch(index, [id, page = std::move(page)](Shard& s, Now at, Effects& out) {
      s.OnScanDone(id, page, at, out);
    });
  });
}

}  // namespace gyre::sim
