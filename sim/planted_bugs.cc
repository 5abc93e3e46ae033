#include "sim/planted_bugs.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sim/planted_moves.h"

namespace gyre::sim {
namespace {

HybridTime NewestTime(const Record& record) {
  HybridTime newest;
  for (const Sibling& sibling : record.siblings) newest = std::max(newest, sibling.time);
  return newest;
}

bool Holds(const Record& record, const Dot& dot) {
  return std::any_of(record.siblings.begin(), record.siblings.end(),
                     [&](const Sibling& sibling) { return sibling.dot == dot; });
}

template <typename Condition>
std::size_t EraseIf(Record::Siblings& siblings, Condition&& condition) {
  const auto end = std::remove_if(siblings.begin(), siblings.end(), condition);
  const auto erased = static_cast<std::size_t>(siblings.end() - end);
  siblings.erase(end, siblings.end());
  return erased;
}

// Applies `change(Record&)` to encoded bytes; leaves them if it returns false.
template <typename Change>
void Rewrite(Bytes& encoded, Change&& change) {
  if (encoded.empty()) return;
  Result<Record> record = Record::Decode(encoded);
  if (record && change(*record)) encoded = record->Encode();
}

class LastWriteWins : public PlantedBug {
  void OnWrite(const RowKey& /*key*/, const Row* /*before*/, Row& row) override {
    Rewrite(row.record, [](Record& record) {
      if (record.siblings.size() < 2) return false;
      const HybridTime newest = NewestTime(record);
      EraseIf(record.siblings, [&](const Sibling& s) { return s.time != newest; });
      return true;
    });
  }
};

class DroppedSibling : public PlantedBug {
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    if (auto* put = std::get_if<ReplicaPut>(&message)) {
      Rewrite(put->record, [](Record& record) {
        if (record.siblings.size() < 2) return false;
        record.siblings.erase(record.siblings.begin());
        return true;
      });
    }
    return false;
  }
};

// Every start goes on as the first did: same actor, same epochs.
class ReusedDot : public PlantedBug {
  void OnStart(ShardOptions& options, bool /*replaced*/) override {
    const auto [first, is_new] = first_.try_emplace({options.node.value, options.shard.value},
                                                    options.actor, options.next_epoch);
    options.actor = first->second.first;
    options.next_epoch = first->second.second;
  }
  std::map<std::pair<std::uint32_t, std::uint16_t>, std::pair<ActorId, std::uint64_t>> first_;
};

// The disk is replaced, and the node goes on under the name that others know it by.
class KeptName : public PlantedBug {
  void OnStart(ShardOptions& options, bool replaced) override {
    ActorId& last = last_[{options.node.value, options.shard.value}];
    if (replaced && last.value != 0) options.actor = last;
    last = options.actor;
  }
  std::map<std::pair<std::uint32_t, std::uint16_t>, ActorId> last_;
};

// A second node starts on a copy of the first one's disk.
class ClonedDisk : public PlantedBug {
  void OnStart(ShardOptions& options, bool /*replaced*/) override {
    options.actor = first_.try_emplace(options.shard.value, options.actor).first->second;
  }
  std::map<std::uint16_t, ActorId> first_;
};

// Who writes a key anew after its row has gone counts from 1 as it did the first time: as stores do
// whose counters have no epochs.
class CounterFromOne : public PlantedBug {
 public:
  // Of the rows that a fallback keeps for others, or of its own.
  explicit CounterFromOne(bool hints) : hints_(hints) {}

 private:
  using Epoch = std::pair<ActorId, std::uint64_t>;

  void OnDrop(const RowKey& key, const Row& row) override {
    if (key.is_hint() != hints_ || row.own.actor.value == 0) return;
    gone_[{row.own.actor, key}] = row.own.epoch;
  }
  void OnWrite(const RowKey& key, const Row* before, Row& row) override {
    const auto gone = gone_.find({row.own.actor, key});
    if (before == nullptr && gone != gone_.end() && gone->second != row.own.epoch) {
      again_[{row.own.actor, row.own.epoch}] = gone->second;
    }
    Rename(row.record);
  }
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    if (auto* put = std::get_if<ReplicaPut>(&message)) Rename(put->record);
    if (auto* get = std::get_if<ReplicaGetReply>(&message)) Rename(get->record);
    return false;
  }
  void Rename(Bytes& encoded) const {
    if (again_.empty()) return;
    Rewrite(encoded, [this](Record& record) {
      bool changed = false;
      for (const auto& [epoch, first] : again_) {
        const VersionVector::Entry* entry = record.clock.Find(epoch.first, epoch.second);
        if (entry == nullptr) continue;
        const VersionVector::Entry known = *entry;
        record.clock.Remove(epoch.first, epoch.second);
        record.clock.Add({epoch.first, first, known.n}, known.time);
        EraseIf(record.siblings, [&, first = first](const Sibling& s) {
          return s.dot.actor == known.actor && s.dot.epoch == first;
        });
        for (Sibling& sibling : record.siblings) {
          if (sibling.dot.actor != known.actor || sibling.dot.epoch != known.epoch) continue;
          sibling.dot.epoch = first;
        }
        changed = true;
      }
      std::sort(record.siblings.begin(), record.siblings.end(),
                [](const Sibling& a, const Sibling& b) { return a.dot < b.dot; });
      return changed;
    });
  }

  const bool hints_;
  std::map<std::pair<ActorId, RowKey>, std::uint64_t> gone_;
  std::map<Epoch, std::uint64_t> again_;
};
class PurgedCounter : public CounterFromOne {
 public:
  PurgedCounter() : CounterFromOne(/*hints=*/false) {}
};
class FallbackCounter : public CounterFromOne {
 public:
  FallbackCounter() : CounterFromOne(/*hints=*/true) {}
};

class SkippedFsync : public PlantedBug {
  bool acknowledges_before_sync() const override { return true; }
};

class ReadQuorumOffByOne : public PlantedBug {
  void OnRequest(ClientRequest& request, int read_needed) override {
    if (read_needed < 2) return;
    const QuorumSpec less = QuorumSpec::Number(static_cast<std::uint8_t>(read_needed - 1));
    std::visit([&](auto& typed) { typed.options.read_quorum = less; }, request);
  }
};

class LocalQuorumIsOne : public PlantedBug {
  void OnRequest(ClientRequest& request, int /*read_needed*/) override {
    const auto one = [](std::optional<QuorumSpec>& spec) {
      if (spec && spec->local()) spec = QuorumSpec::One();
    };
    std::visit(
        [&](auto& typed) {
          one(typed.options.read_quorum);
          one(typed.options.write_quorum);
        },
        request);
  }
};

class ErrorAsAbsent : public PlantedBug {
  void OnRead(Result<std::optional<Row>>& row) override {
    if (!row) row = std::optional<Row>();
  }
};

// What a read or an exchange sends to stale owners is acknowledged, and does not get there.
class LostReadRepair : public PlantedBug {
  std::optional<Message> OnAsk(const Message& message, const LinkEnd& /*sender*/) override {
    const auto* put = std::get_if<ReplicaPut>(&message);
    if (put == nullptr || !put->repair) return std::nullopt;
    return ReplicaPutReply{put->id, std::nullopt, 0};
  }
};

// Keeps whichever version has the later clock time, as a plain store would.
class WallClockVersion : public PlantedBug {
  void OnWrite(const RowKey& /*key*/, const Row* before, Row& row) override {
    if (before == nullptr) return;
    const Result<Record> old = Record::Decode(before->record);
    const Result<Record> next = Record::Decode(row.record);
    if (old && next && NewestTime(*old) > NewestTime(*next)) row.record = before->record;
    // Concurrent ones, too: the later wins.
    Rewrite(row.record, [](Record& record) {
      const HybridTime newest = NewestTime(record);
      return EraseIf(record.siblings, [&](const Sibling& s) { return s.time < newest; }) > 0;
    });
  }
};

class ForgottenClock : public PlantedBug {
  void OnWrite(const RowKey& /*key*/, const Row* /*before*/, Row& row) override {
    Rewrite(row.record, [](Record& record) {
      for (const VersionVector::Entry& entry : record.clock.entries()) {
        const bool named = std::any_of(
            record.siblings.begin(), record.siblings.end(), [&](const Sibling& sibling) {
              return sibling.dot.actor == entry.actor && sibling.dot.epoch == entry.epoch;
            });
        if (named) continue;
        record.clock.Remove(entry.actor, entry.epoch);
        return true;
      }
      return false;
    });
  }
};

// A merge that adds what the other side has, and never asks who has seen what. Of few siblings
// only: they would grow without end.
class UnionMerge : public PlantedBug {
  void OnWrite(const RowKey& /*key*/, const Row* before, Row& row) override {
    if (before == nullptr) return;
    const Result<Record> old = Record::Decode(before->record);
    if (!old) return;
    Rewrite(row.record, [&](Record& record) {
      bool changed = false;
      if (record.siblings.size() > 3 || old->siblings.size() > 3) return false;
      for (const Sibling& sibling : old->siblings) {
        if (Holds(record, sibling.dot) || !record.clock.Covers(sibling.dot)) continue;
        const auto at = std::find_if(record.siblings.begin(), record.siblings.end(),
                                     [&](const Sibling& s) { return sibling.dot < s.dot; });
        record.siblings.insert(at, sibling);
        changed = true;
      }
      return changed;
    });
  }
};

class FailureAsAck : public PlantedBug {
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    if (auto* reply = std::get_if<ReplicaPutReply>(&message)) reply->error.reset();
    return false;
  }
};

// Told by the sentence: the code is that of many refusals.
class AbsentByFallbacks : public PlantedBug {
  void OnAnswer(ClientResult& result) override {
    if (!result && result.error().message.starts_with("no owner of the key can be read")) {
      result = ClientResult(GetOutcome{});
    }
  }
};

class UnknownAsFailed : public PlantedBug {
  void OnAnswer(ClientResult& result) override {
    if (!result && result.error().code == ErrorCode::kOutcomeUnknown) {
      result = Fail(ErrorCode::kUnavailable, "planted");
    }
  }
};

class EndlessClock : public PlantedBug {
  void OnConfig(CoreConfig& config) override { config.clock_entries_max = 1'000; }
};

class LostTimer : public PlantedBug {
  bool never_ticks() const override { return true; }
};

// Hints are acknowledged, and not kept.
class LostHint : public PlantedBug {
  bool OnStore(WriteEffect& write) override { return write.row && write.key.is_hint(); }
};

// Rows are written without what they change in their leaf.
class LostLeafDelta : public PlantedBug {
  bool OnStore(WriteEffect& write) override {
    write.leaf_delta = 0;
    return false;
  }
};

class DeafExchange : public PlantedBug {
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    if (auto* reply = std::get_if<TreeCompareReply>(&message)) reply->differing.clear();
    return false;
  }
};

// Of two nodes an exchange only ever gives to the second.
class OneWayExchange : public PlantedBug {
  bool OnMessage(int from, int to, Message& message) override {
    if (auto* range = std::get_if<RangeGetReply>(&message); range != nullptr && from > to) {
      range->records.clear();
      range->done = true;
    }
    auto* reply = std::get_if<LeafKeysReply>(&message);
    if (reply == nullptr) return false;
    if (from < to) {
      reply->wanted.clear();
    } else {
      reply->records.clear();
    }
    return false;
  }
};

// ---- purges (docs/adr/0006-safe-deletes.md) ----------------------------------------------------

// Every copy is said to be of today.
class ForgedStamps : public PlantedBug {
 protected:
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    if (auto* put = std::get_if<ReplicaPut>(&message)) put->stamp = kToday;
    if (auto* get = std::get_if<ReplicaGetReply>(&message)) get->stamp = kToday;
    if (auto* leaf = std::get_if<LeafKeysReply>(&message)) leaf->stamp = kToday;
    if (auto* range = std::get_if<RangeGetReply>(&message)) range->stamp = kToday;
    return false;
  }

 private:
  static constexpr std::uint64_t kToday = std::uint64_t{1} << 40;
};

// A tombstone is purged though an owner is away: nobody is waited for, and no copy is too old.
class Doomstone : public ForgedStamps {
  std::optional<Message> OnAsk(const Message& message, const LinkEnd& /*sender*/) override {
    const auto* ballot = std::get_if<Ballot>(&message);
    if (ballot == nullptr || ballot->step == Ballot::Step::kDrop) return std::nullopt;
    return BallotReply{ballot->id, std::nullopt, 0};
  }
  bool OnMessage(int from, int to, Message& message) override {
    if (auto* greeting = std::get_if<Greeting>(&message)) greeting->numbers.clear();
    return ForgedStamps::OnMessage(from, to, message);
  }
  bool hides_downs() const override { return true; }
};

class PurgeByTime : public PlantedBug {
  std::int64_t purges_after_us() const override { return 100'000; }
};

// Whatever stands in a member's way, it promises and commits.
class YesVoter : public PlantedBug {
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    if (auto* reply = std::get_if<BallotReply>(&message)) reply->error.reset();
    return false;
  }
};

// As far as members have the same rows, they promise: hints, and rows being changed, are no matter.
class HintsIgnored : public PlantedBug {
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    auto* reply = std::get_if<BallotReply>(&message);
    if (reply != nullptr && reply->error == ErrorCode::kUnavailable) reply->error.reset();
    return false;
  }
};

class LostBallot : public PlantedBug {
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    return std::holds_alternative<Ballot>(message);
  }
};

class ForgottenNumbers : public PlantedBug {
  bool loses_notes() const override { return true; }
};

// Nobody tells what has been purged, so a restored disk keeps what it held.
class SilentGreeting : public PlantedBug {
  bool OnMessage(int /*from*/, int /*to*/, Message& message) override {
    if (auto* greeting = std::get_if<Greeting>(&message)) greeting->numbers.clear();
    return false;
  }
};

class EmptyDiskAnswers : public PlantedBug {
  void OnStart(ShardOptions& options, bool /*replaced*/) override { options.fills = false; }
};

class UpgradeIgnored : public PlantedBug {
  void OnLink(LinkTerms& terms) override { terms.version = kProtocolVersion; }
};

class HiddenChance : public PlantedBug {
  std::uint64_t Disturbance() override {
    static std::uint64_t calls = 0;
    return ++calls / 1000;
  }
};

template <typename Bug>
std::unique_ptr<PlantedBug> Make() {
  return std::make_unique<Bug>();
}

std::vector<PlantInfo> WithMovingBugs(std::vector<PlantInfo> bugs) {
  for (PlantInfo& bug : MovingBugs()) bugs.push_back(std::move(bug));
  return bugs;
}

}  // namespace

const std::vector<PlantInfo>& PlantedBugs() {
  static const std::vector<PlantInfo> kBugs = WithMovingBugs({
      {"last-write-wins",
       "of several siblings only the newest is stored",
       {Checker::kLost},
       Make<LastWriteWins>},
      {"reused-dot",
       "a shard restarts with its old actor and epoch",
       {Checker::kDots},
       Make<ReusedDot>},
      {"dropped-sibling",
       "a record loses a sibling on its way to a replica",
       {Checker::kLost},
       Make<DroppedSibling>},
      {"skipped-fsync",
       "storage acknowledges before the sync",
       {Checker::kOutcomes, Checker::kLost},
       Make<SkippedFsync>},
      {"read-quorum-off-by-one",
       "a read waits for R-1 answers",
       {Checker::kSessions},
       Make<ReadQuorumOffByOne>},
      {"local-quorum-is-one",
       "local_quorum asks one owner of the region",
       {Checker::kSessions},
       Make<LocalQuorumIsOne>},
      {"error-as-absent",
       "a read error is taken for an absent row",
       {Checker::kMonotone},
       Make<ErrorAsAbsent>},
      {"lost-read-repair",
       "what a read or an exchange gives to stale owners is acknowledged and lost",
       {Checker::kSessions},
       Make<LostReadRepair>,
       /*changes=*/false,
       /*seed_first=*/151},
      {"wall-clock-version",
       "the version with the later time wins, whatever it has seen",
       {Checker::kOutcomes, Checker::kLost},
       Make<WallClockVersion>},
      {"forgotten-clock",
       "a row forgets what it has seen",
       {Checker::kMonotone},
       Make<ForgottenClock>},
      {"union-merge", "merging keeps superseded siblings", {Checker::kSiblings}, Make<UnionMerge>},
      {"failure-as-ack",
       "a replica's failure counts as an acknowledgement",
       {Checker::kOutcomes},
       Make<FailureAsAck>},
      {"absent-by-fallbacks",
       "a key is absent by the word of fallbacks alone",
       {Checker::kSessions},
       Make<AbsentByFallbacks>},
      {"unknown-as-failed",
       "an unknown outcome is told as a failure",
       {Checker::kOutcomes},
       Make<UnknownAsFailed>},
      {"endless-clock", "clocks are never truncated", {Checker::kBounds}, Make<EndlessClock>},
      {"lost-timer", "no timer ever runs", {Checker::kBounds}, Make<LostTimer>},
      {"lost-hint",
       "a fallback acknowledges hints and does not keep them",
       {Checker::kOutcomes},
       Make<LostHint>},
      {"lost-leaf-delta",
       "rows are stored without the change of their leaf",
       {Checker::kConvergence},
       Make<LostLeafDelta>},
      {"deaf-exchange",
       "trees that differ are taken for equal",
       {Checker::kConvergence},
       Make<DeafExchange>},
      {"one-way-exchange",
       "an exchange repairs one side only",
       {Checker::kConvergence},
       Make<OneWayExchange>},
      {"kept-name",
       "a replaced disk is written under the node's old actor",
       {Checker::kDots},
       Make<KeptName>},
      {"cloned-disk", "two nodes write as one actor", {Checker::kDots}, Make<ClonedDisk>},
      {"purged-counter",
       "a key whose row was purged is counted from 1 again",
       {Checker::kDots},
       Make<PurgedCounter>},
      {"fallback-counter",
       "a key whose hint was handed over is counted from 1 again",
       {Checker::kDots},
       Make<FallbackCounter>},
      {"doomstone",
       "a tombstone is purged though an owner is away",
       {Checker::kLost},
       Make<Doomstone>},
      {"purge-by-time",
       "what is dead is dropped after a while",
       {Checker::kLost},
       Make<PurgeByTime>},
      {"yes-voter", "a member always promises and commits", {Checker::kLost}, Make<YesVoter>},
      {"hints-ignored",
       "a member promises though it keeps hints",
       {Checker::kLost},
       Make<HintsIgnored>},
      {"forged-stamps", "old copies are taken after a purge", {Checker::kLost}, Make<ForgedStamps>},
      {"forgotten-numbers",
       "a restart forgets what was promised and purged",
       {Checker::kMonotone},
       Make<ForgottenNumbers>},
      {"lost-ballot", "nothing is ever purged", {Checker::kConvergence}, Make<LostBallot>},
      {"silent-greeting",
       "a restored disk does not hear that it went back",
       {Checker::kLost},
       Make<SilentGreeting>},
      {"empty-disk-answers",
       "a disk that was replaced says absent before it has filled up",
       {Checker::kSessions},
       Make<EmptyDiskAnswers>},
      {"upgrade-ignored",
       "nodes are sent what their version does not know",
       {Checker::kInvented},
       Make<UpgradeIgnored>},
      {"hidden-chance",
       "something depends on more than the seed",
       {Checker::kDeterminism},
       Make<HiddenChance>},
  });
  return kBugs;
}

const PlantInfo* FindPlant(std::string_view name) {
  for (const PlantInfo& bug : PlantedBugs()) {
    if (bug.name == name) return &bug;
  }
  return nullptr;
}

}  // namespace gyre::sim
