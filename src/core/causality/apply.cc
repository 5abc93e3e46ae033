// What a coordinator makes of its record when a client changes the key. Declared in merge.h.
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/causality/merge.h"

namespace gyre {
namespace {

// The state of one Apply. Nothing of `record` and `dots` is touched before every check has passed.
class Application {
 public:
  Application(Record& record, const std::optional<OwnWrites>& own, DotSource& dots,
              HybridClock& clock, WallTime now, const ApplyLimits& limits)
      : record_(record), own_(own), dots_(dots), clock_(clock), now_(now), limits_(limits) {}

  Result<Applied> operator()(const WriteValue& write) {
    if (write.value.size() > kValueBytesHardMax) {
      return Fail(ErrorCode::kInvalidArgument, "the value is larger than a record can hold");
    }
    Sibling sibling;
    sibling.expiry = write.expiry;
    if (write.keep_expiry) {
      const Sibling* newest = record_.NewestLive(now_);
      sibling.expiry = newest == nullptr ? kNeverExpires : newest->expiry;
    }
    if (sibling.expiry.ms > kWallTimeMsMax) return ExpiryOutOfRange();
    sibling.type = ValueType::kBytes;
    sibling.checksum = write.checksum;
    sibling.value = write.value;
    return Put(write.context, sibling);
  }

  Result<Applied> operator()(const DeleteValue& deletion) {
    const bool pointless = deletion.context.has_value()
                               ? record_.clock.empty() && deletion.context->empty()
                               : !record_.AnyLiveAt(now_);
    if (pointless) return Unchanged();
    Sibling tombstone = Tombstone();
    return Put(deletion.context, tombstone);
  }

  Result<Applied> operator()(const SetExpiry& change) {
    if (change.expiry.ms > kWallTimeMsMax) return ExpiryOutOfRange();
    Record::Siblings kept;
    std::vector<Sibling> rewritten;
    bool any_holds = false;
    bool any_expires = false;
    for (const Sibling& sibling : record_.siblings) {
      if (sibling.type == ValueType::kTombstone) {
        kept.push_back(sibling);
      } else if (sibling.LiveAt(now_)) {
        Sibling anew = sibling;
        if (Holds(change, sibling.expiry)) {
          any_holds = true;
          anew.expiry = change.expiry;
        }
        if (anew.LiveAt(now_)) {
          rewritten.push_back(std::move(anew));
        } else {
          any_expires = true;
        }
      }
    }
    if (!any_holds) return Unchanged();
    std::stable_sort(rewritten.begin(), rewritten.end(),
                     [](const Sibling& a, const Sibling& b) { return a.time < b.time; });
    if (any_expires) rewritten.push_back(Tombstone());
    if (Status fits = CheckFits(record_.clock, kept, rewritten); !fits) return Fail(fits.error());
    ObserveTimes();
    record_.siblings = std::move(kept);
    return Add(rewritten);
  }

 private:
  static Sibling Tombstone() {
    Sibling tombstone;
    tombstone.type = ValueType::kTombstone;
    return tombstone;
  }
  static tl::unexpected<Error> ExpiryOutOfRange() {
    return Fail(ErrorCode::kInvalidArgument, "the expiry lies too far in the future");
  }

  // Redis counts "no expiry" as endless in GT and LT. Taking no expiry from a value that has none
  // changes nothing under any condition.
  static bool Holds(const SetExpiry& change, WallTime current) {
    const auto end = [](WallTime expiry) {
      return expiry == kNeverExpires ? INT64_MAX : expiry.ms;
    };
    if (change.expiry == kNeverExpires && current == kNeverExpires) return false;
    switch (change.condition) {
      case SetExpiry::Condition::kAlways:
        return true;
      case SetExpiry::Condition::kIfNone:
        return current == kNeverExpires;
      case SetExpiry::Condition::kIfAny:
        return current != kNeverExpires;
      case SetExpiry::Condition::kIfLater:
        return end(change.expiry) > end(current);
      case SetExpiry::Condition::kIfEarlier:
        return end(change.expiry) < end(current);
    }
    return false;
  }

  Applied Unchanged() const { return {own_.value_or(OwnWrites{}), /*changed=*/false}; }

  // Only this shard gives its actor's dots, so it knows which it cannot have given. What the record
  // itself claims already passes: a key must stay writable once a forgery got in elsewhere.
  Status CheckContext(const VersionVector& context) const {
    for (const VersionVector::Entry& entry : context.entries()) {
      if (entry.actor != dots_.actor() || record_.clock.Covers(entry.dot())) continue;
      const bool this_row =
          own_.has_value() && own_->actor == entry.actor && own_->epoch == entry.epoch;
      if (entry.epoch >= dots_.next_epoch() || (this_row && entry.n > own_->n)) {
        return Fail(ErrorCode::kInvalidArgument,
                    "the context names writes that were never made: pass back exactly what a read "
                    "or write of this key returned");
      }
    }
    return {};
  }

  // Would the format hold it? With as much metadata as there can be: near enough for a limit.
  static Status CheckFits(const VersionVector& clock, std::span<const Sibling> kept,
                          std::span<const Sibling> fresh) {
    constexpr std::size_t kEntryBytesMost = 34;
    constexpr std::size_t kSiblingBytesMost = 64;
    if (clock.size() + 1 > kClockEntriesHardMax || kept.size() + fresh.size() > kSiblingsHardMax) {
      return Fail(ErrorCode::kOverloaded, "the key has more versions than a record can hold");
    }
    std::size_t bytes = kSiblingBytesMost + (clock.size() + 1) * kEntryBytesMost;
    for (const Sibling& sibling : kept) bytes += sibling.value.size() + kSiblingBytesMost;
    for (const Sibling& sibling : fresh) bytes += sibling.value.size() + kSiblingBytesMost;
    if (bytes > kRecordBytesMax) {
      return Fail(
          ErrorCode::kOverloaded,
          "the siblings of the key together are larger than a record can be: reconcile them");
    }
    return {};
  }

  // Puts `sibling`, which it takes, in place of what `context` covers.
  Result<Applied> Put(const std::optional<VersionVector>& context, Sibling& sibling) {
    if (sibling.type != ValueType::kTombstone && !sibling.LiveAt(now_)) sibling = Tombstone();
    const std::span fresh(&sibling, 1);
    if (context.has_value()) return PutOver(*context, fresh);
    if (Status fits = CheckFits(record_.clock, {}, fresh); !fits) return Fail(fits.error());
    ObserveTimes();
    record_.siblings.clear();
    return Add(fresh);
  }
  Result<Applied> PutOver(const VersionVector& context, std::span<Sibling> fresh) {
    if (Status status = CheckContext(context); !status) return Fail(status.error());
    VersionVector seen = context;
    seen.LimitTimes({now_.ms + limits_.clock_entry_age_safe.ms()});
    VersionVector clock = record_.clock;
    clock.Merge(seen);
    Record::Siblings kept;
    for (const Sibling& known : record_.siblings) {
      if (!context.Covers(known.dot)) kept.push_back(known);
    }
    const std::size_t count = kept.size() + 1;
    if (count > limits_.siblings_max && count > record_.siblings.size()) {
      return Fail(ErrorCode::kOverloaded,
                  "the key has " + std::to_string(record_.siblings.size()) +
                      " siblings, the most allowed: read it and write back with the context");
    }
    if (Status fits = CheckFits(clock, kept, fresh); !fits) return Fail(fits.error());
    ObserveTimes();
    record_.clock = std::move(clock);
    record_.siblings = std::move(kept);
    return Add(fresh);
  }

  // What is new shall be later than all that was there.
  void ObserveTimes() {
    for (const Sibling& known : record_.siblings) clock_.Observe(known.time, now_);
  }

  // Gives `fresh` their names and times, in this order, and moves them into the record.
  Applied Add(std::span<Sibling> fresh) {
    Dot dot = dots_.Next(own_, record_.clock);
    for (Sibling& sibling : fresh) {
      sibling.dot = dot;
      sibling.time = clock_.Tick(now_);
      ++dot.n;
    }
    --dot.n;
    record_.clock.Add(dot, now_);
    // All of one counter, rising, and above what this counter named before: one place takes them.
    Record::Siblings& siblings = record_.siblings;
    const auto at = std::find_if(siblings.begin(), siblings.end(),
                                 [&dot](const Sibling& sibling) { return dot < sibling.dot; });
    if (at == siblings.end() && fresh.size() == 1) {
      siblings.push_back(std::move(fresh[0]));
    } else {
      siblings.insert(at, std::make_move_iterator(fresh.begin()),
                      std::make_move_iterator(fresh.end()));
    }
    return {{dot.actor, dot.epoch, dot.n},
            /*changed=*/true,
            Truncate(record_, dot, now_, limits_)};
  }

  Record& record_;
  const std::optional<OwnWrites>& own_;
  DotSource& dots_;
  HybridClock& clock_;
  const WallTime now_;
  const ApplyLimits& limits_;
};

}  // namespace

Result<Applied> Apply(const Mutation& mutation, Record& record, const std::optional<OwnWrites>& own,
                      DotSource& dots, HybridClock& clock, WallTime now,
                      const ApplyLimits& limits) {
  return std::visit(Application(record, own, dots, clock, now, limits), mutation);
}

VersionVector ContextOf(const Mutation& mutation, const Record& record, const OwnWrites& own) {
  const std::optional<VersionVector>* given = nullptr;
  if (const auto* write = std::get_if<WriteValue>(&mutation)) given = &write->context;
  if (const auto* deletion = std::get_if<DeleteValue>(&mutation)) given = &deletion->context;
  // It saw all that its coordinator knew, or nothing stays that it did not see.
  if (given == nullptr || !*given || record.siblings.size() < 2) return record.clock;
  VersionVector context = **given;
  const Dot dot{own.actor, own.epoch, own.n};
  const bool next = dot.n == 1 || context.Covers({dot.actor, dot.epoch, dot.n - 1});
  const VersionVector::Entry* entry = record.clock.Find(dot.actor, dot.epoch);
  if (next && entry != nullptr) context.Add(dot, entry->time);
  return context;
}

}  // namespace gyre
