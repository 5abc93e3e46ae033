// GET, SET and their kin. A plain read answers the newest live sibling; a plain write overwrites
// all that its coordinator knows.
#include "base/hash.h"
#include "server/resp/arguments.h"
#include "server/resp/commands.h"
#include "server/resp/gather.h"
#include "server/resp/resp_session.h"

namespace gyre {
namespace {

void ReplyNewest(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  const Sibling* newest = As<GetOutcome>(outcome).record.NewestLive(context.now.wall);
  if (newest == nullptr) return out.Null();
  out.Bulk(newest->value);
}

void ReplyLength(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  const Sibling* newest = As<GetOutcome>(outcome).record.NewestLive(context.now.wall);
  out.Integer(newest == nullptr ? 0 : static_cast<std::int64_t>(newest->value.size()));
}

void ReplyOk(const FinishContext&, ClientOutcome& outcome, RespWriter& out) {
  As<PutOutcome>(outcome);
  out.Ok();
}

void ReplyBefore(const FinishContext&, ClientOutcome& outcome, RespWriter& out) {
  const std::optional<Sibling>& before = As<PutOutcome>(outcome).before;
  if (!before.has_value()) return out.Null();
  out.Bulk(before->value);
}

void SubmitSet(RespSession& session, std::string_view key, std::string_view value,
               const ExpiryOptions& options) {
  if (!session.CheckValue(value)) return;
  ClientRequest request(std::in_place_type<PutRequest>);  // in its place: it is large to move
  auto& put = std::get<PutRequest>(request);
  put.key = session.Key(key);
  auto& write = put.mutation.emplace<WriteValue>();
  write.value = Bytes(value);
  write.checksum = Xxh3_64(value);
  write.expiry = options.expiry.value_or(kNeverExpires);
  write.keep_expiry = options.keep;
  if (!options.expiry.has_value() && !options.keep) write.expiry = session.DefaultExpiry();
  put.read_first = options.get || options.keep;
  put.options = session.state().options;
  session.Submit(std::move(request), options.get ? ReplyBefore : ReplyOk);
}

void SubmitTimedSet(RespSession& session, const RespArgs& args, TimeUnit unit) {
  const auto expiry = ParseExpiry(args[2], unit, TimeBase::kFromNow, /*must_be_positive=*/true,
                                  session.command().name, session.now().wall);
  if (!expiry.has_value()) return session.Error(expiry.error());
  SubmitSet(session, args[1], args[3], {.expiry = *expiry});
}

class MgetRequest final : public Gather {
 public:
  using Gather::Gather;

 private:
  ClientRequest RequestOf(std::size_t i, Now) override { return GetRequest{TakeKey(i), options()}; }
  void Take(std::size_t i, ClientOutcome outcome, Now now) override {
    const Sibling* newest = As<GetOutcome>(outcome).record.NewestLive(now.wall);
    if (newest == nullptr) return;
    if (values_.empty()) values_.resize(size());
    bytes_ += newest->value.size();
    if (bytes_ > kReplyBytesMax) {
      values_.clear();
      return FailWith({ErrorCode::kInvalidArgument, "the values are larger than " +
                                                        std::to_string(kReplyBytesMax) +
                                                        " bytes together: ask for fewer keys"});
    }
    values_[i] = newest->value;
  }
  void WriteResults(RespWriter& out) override {
    out.Array(size());
    for (std::size_t i = 0; i < size(); ++i) {
      if (values_.empty() || !values_[i].has_value()) {
        out.Null();
      } else {
        out.Bulk(*values_[i]);
      }
    }
  }

  static constexpr std::size_t kReplyBytesMax = 128 * 1024 * 1024;
  std::vector<std::optional<Bytes>> values_;  // empty as long as none was found
  std::size_t bytes_ = 0;
};

class MsetRequest final : public Gather {
 public:
  MsetRequest(const RespSession& session, const RespArgs& args)
      : Gather(session, args, /*first=*/1, /*step=*/2), expiry_(session.DefaultExpiry()) {
    values_.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) values_.emplace_back(args[2 + 2 * i]);
  }

 private:
  ClientRequest RequestOf(std::size_t i, Now) override {
    WriteValue write;
    write.checksum = Xxh3_64(values_[i].view());
    write.value = std::move(values_[i]);
    write.expiry = expiry_;
    return PutRequest{.key = TakeKey(i), .mutation = std::move(write), .options = options()};
  }
  void Take(std::size_t, ClientOutcome, Now) override {}
  void WriteResults(RespWriter& out) override { out.Ok(); }

  WallTime expiry_;
  std::vector<Bytes> values_;
};

}  // namespace

void GetCommand(RespSession& session, const RespArgs& args) {
  session.Submit(GetRequest{session.Key(args[1]), session.state().options}, ReplyNewest);
}

void SetCommand(RespSession& session, const RespArgs& args) {
  if (args.size() == 3) return SubmitSet(session, args[1], args[2], {});
  const auto options = ParseExpiryOptions(args, 3, ExpiryVerb::kSet, session.now().wall);
  if (!options.has_value()) return session.Error(options.error());
  if (options->exists) {
    return session.Error(
        "ERR 'set' with NX or XX needs a leader, and Gyre has none: write with KV.PUT and the "
        "context of KV.GET; of concurrent writers each leaves a sibling, and KV.GET shows them "
        "all");
  }
  SubmitSet(session, args[1], args[2], *options);
}

void SetexCommand(RespSession& session, const RespArgs& args) {
  SubmitTimedSet(session, args, TimeUnit::kSeconds);
}

void PsetexCommand(RespSession& session, const RespArgs& args) {
  SubmitTimedSet(session, args, TimeUnit::kMillis);
}

void GetsetCommand(RespSession& session, const RespArgs& args) {
  SubmitSet(session, args[1], args[2], {.get = true});
}

void GetexCommand(RespSession& session, const RespArgs& args) {
  const auto options = ParseExpiryOptions(args, 2, ExpiryVerb::kGetex, session.now().wall);
  if (!options.has_value()) return session.Error(options.error());
  if (!options->expiry.has_value() && !options->persist) return GetCommand(session, args);
  SetExpiry change;
  change.expiry = options->expiry.value_or(kNeverExpires);
  session.Submit(PutRequest{.key = session.Key(args[1]),
                            .mutation = change,
                            .read_first = true,
                            .options = session.state().options},
                 ReplyBefore);
}

void GetdelCommand(RespSession& session, const RespArgs& args) {
  session.Submit(PutRequest{.key = session.Key(args[1]),
                            .mutation = DeleteValue(),
                            .read_first = true,
                            .options = session.state().options},
                 ReplyBefore);
}

void StrlenCommand(RespSession& session, const RespArgs& args) {
  session.Submit(GetRequest{session.Key(args[1]), session.state().options}, ReplyLength);
}

void MgetCommand(RespSession& session, const RespArgs& args) {
  session.Start(std::make_unique<MgetRequest>(session, args, /*first=*/1, /*step=*/1));
}

void MsetCommand(RespSession& session, const RespArgs& args) {
  if (args.size() % 2 == 0) {
    return session.Error("ERR wrong number of arguments for 'mset' command");
  }
  for (std::size_t i = 2; i < args.size(); i += 2) {
    if (!session.CheckValue(args[i])) return;
  }
  session.Start(std::make_unique<MsetRequest>(session, args));
}

}  // namespace gyre
