// Commands about keys whatever their values: DEL, EXISTS, expiry, TYPE, OBJECT, MEMORY USAGE.
#include <charconv>

#include "server/resp/arguments.h"
#include "server/resp/commands.h"
#include "server/resp/gather.h"
#include "server/resp/resp_session.h"

namespace gyre {
namespace {

class DelRequest final : public Gather {
 public:
  using Gather::Gather;

 private:
  ClientRequest RequestOf(std::size_t i, Now) override {
    return PutRequest{
        .key = TakeKey(i), .mutation = DeleteValue(), .read_first = true, .options = options()};
  }
  void Take(std::size_t, ClientOutcome outcome, Now) override {
    if (As<PutOutcome>(outcome).before.has_value()) ++deleted_;
  }
  void WriteResults(RespWriter& out) override { out.Integer(deleted_); }

  std::int64_t deleted_ = 0;
};

class ExistsRequest final : public Gather {
 public:
  using Gather::Gather;

 private:
  ClientRequest RequestOf(std::size_t i, Now) override { return GetRequest{TakeKey(i), options()}; }
  void Take(std::size_t, ClientOutcome outcome, Now now) override {
    if (As<GetOutcome>(outcome).record.AnyLiveAt(now.wall)) ++found_;
  }
  void WriteResults(RespWriter& out) override { out.Integer(found_); }

  std::int64_t found_ = 0;
};

void ReplyDeleted(const FinishContext&, ClientOutcome& outcome, RespWriter& out) {
  out.Integer(As<PutOutcome>(outcome).before.has_value() ? 1 : 0);
}

void ReplyExists(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  out.Integer(As<GetOutcome>(outcome).record.AnyLiveAt(context.now.wall) ? 1 : 0);
}

void ReplyType(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  out.Simple(As<GetOutcome>(outcome).record.AnyLiveAt(context.now.wall) ? "string" : "none");
}

void ReplyChanged(const FinishContext&, ClientOutcome& outcome, RespWriter& out) {
  out.Integer(As<PutOutcome>(outcome).changed ? 1 : 0);
}

// What TTL and its three kin answer.
enum TtlForm : std::uint64_t { kInSeconds = 0, kInMillis = 1, kAbsolute = 2 };

void ReplyTtl(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  const Sibling* newest = As<GetOutcome>(outcome).record.NewestLive(context.now.wall);
  if (newest == nullptr) return out.Integer(-2);
  if (newest->expiry == kNeverExpires) return out.Integer(-1);
  const std::int64_t from = (context.param & kAbsolute) != 0 ? 0 : context.now.wall.ms;
  const std::int64_t ms = newest->expiry.ms - from;
  out.Integer((context.param & kInMillis) != 0 ? ms : (ms + 500) / 1000);
}

void SubmitTtl(RespSession& session, const RespArgs& args, std::uint64_t form) {
  session.Submit(GetRequest{session.Key(args[1]), session.state().options}, ReplyTtl, form);
}

// NX, XX, GT, LT from args[3] on. The error is a whole RESP error.
tl::expected<SetExpiry::Condition, std::string> ParseCondition(const RespArgs& args) {
  bool nx = false, xx = false, gt = false, lt = false;
  for (std::size_t i = 3; i < args.size(); ++i) {
    if (EqualsWord(args[i], "nx")) {
      nx = true;
    } else if (EqualsWord(args[i], "xx")) {
      xx = true;
    } else if (EqualsWord(args[i], "gt")) {
      gt = true;
    } else if (EqualsWord(args[i], "lt")) {
      lt = true;
    } else {
      return tl::unexpected("ERR Unsupported option " + std::string(args[i].substr(0, 128)));
    }
  }
  if (nx && (xx || gt || lt)) {
    return tl::unexpected(
        std::string("ERR NX and XX, GT or LT options at the same time are not compatible"));
  }
  if (gt && lt) {
    return tl::unexpected(std::string("ERR GT and LT options at the same time are not compatible"));
  }
  if (xx && lt) {
    return tl::unexpected(std::string("ERR XX and LT options at the same time are not supported"));
  }
  if (nx) return SetExpiry::Condition::kIfNone;
  if (gt) return SetExpiry::Condition::kIfLater;  // never holds without an expiry: XX adds nothing
  if (lt) return SetExpiry::Condition::kIfEarlier;
  if (xx) return SetExpiry::Condition::kIfAny;
  return SetExpiry::Condition::kAlways;
}

void SubmitExpiry(RespSession& session, std::string_view key, SetExpiry change) {
  session.Submit(PutRequest{.key = session.Key(key),
                            .mutation = change,
                            .read_first = true,
                            .options = session.state().options},
                 ReplyChanged);
}

void SubmitExpire(RespSession& session, const RespArgs& args, TimeUnit unit, TimeBase base) {
  const auto condition = ParseCondition(args);
  if (!condition.has_value()) return session.Error(condition.error());
  const auto expiry = ParseExpiry(args[2], unit, base, /*must_be_positive=*/false,
                                  session.command().name, session.now().wall);
  if (!expiry.has_value()) return session.Error(expiry.error());
  SubmitExpiry(session, args[1], {.expiry = *expiry, .condition = *condition});
}

void ReplyEncoding(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  const Sibling* newest = As<GetOutcome>(outcome).record.NewestLive(context.now.wall);
  if (newest == nullptr) return out.Null();
  constexpr std::size_t kIntegerDigitsMax = 20;
  constexpr std::size_t kEmbeddedMax = 44;
  const std::string_view value = newest->value.view();
  if (value.size() <= kIntegerDigitsMax && ParseInteger<std::int64_t>(value).has_value()) {
    return out.Bulk(std::string_view("int"));
  }
  out.Bulk(std::string_view(value.size() <= kEmbeddedMax ? "embstr" : "raw"));
}

void ReplyRefcount(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  if (!As<GetOutcome>(outcome).record.AnyLiveAt(context.now.wall)) return out.Null();
  out.Integer(1);
}

void ReplyMemory(const FinishContext& context, ClientOutcome& outcome, RespWriter& out) {
  const Record& record = As<GetOutcome>(outcome).record;
  if (!record.AnyLiveAt(context.now.wall)) return out.Null();
  constexpr std::size_t kTokenBytes = sizeof(Token) + sizeof(KeyspaceId);
  out.Integer(static_cast<std::int64_t>(record.Encode().size() + context.param + kTokenBytes));
}

}  // namespace

void DelCommand(RespSession& session, const RespArgs& args) {
  if (args.size() > 2) {
    return session.Start(std::make_unique<DelRequest>(session, args, /*first=*/1, /*step=*/1,
                                                      Gather::Repeated::kDrop));
  }
  session.Submit(PutRequest{.key = session.Key(args[1]),
                            .mutation = DeleteValue(),
                            .read_first = true,
                            .options = session.state().options},
                 ReplyDeleted);
}

void ExistsCommand(RespSession& session, const RespArgs& args) {
  if (args.size() > 2) {
    return session.Start(std::make_unique<ExistsRequest>(session, args, /*first=*/1, /*step=*/1));
  }
  session.Submit(GetRequest{session.Key(args[1]), session.state().options}, ReplyExists);
}

void TypeCommand(RespSession& session, const RespArgs& args) {
  session.Submit(GetRequest{session.Key(args[1]), session.state().options}, ReplyType);
}

void TtlCommand(RespSession& session, const RespArgs& args) {
  SubmitTtl(session, args, kInSeconds);
}
void PttlCommand(RespSession& session, const RespArgs& args) {
  SubmitTtl(session, args, kInMillis);
}
void ExpiretimeCommand(RespSession& session, const RespArgs& args) {
  SubmitTtl(session, args, kAbsolute | kInSeconds);
}
void PexpiretimeCommand(RespSession& session, const RespArgs& args) {
  SubmitTtl(session, args, kAbsolute | kInMillis);
}

void ExpireCommand(RespSession& session, const RespArgs& args) {
  SubmitExpire(session, args, TimeUnit::kSeconds, TimeBase::kFromNow);
}
void PexpireCommand(RespSession& session, const RespArgs& args) {
  SubmitExpire(session, args, TimeUnit::kMillis, TimeBase::kFromNow);
}
void ExpireatCommand(RespSession& session, const RespArgs& args) {
  SubmitExpire(session, args, TimeUnit::kSeconds, TimeBase::kUnix);
}
void PexpireatCommand(RespSession& session, const RespArgs& args) {
  SubmitExpire(session, args, TimeUnit::kMillis, TimeBase::kUnix);
}

void PersistCommand(RespSession& session, const RespArgs& args) {
  SubmitExpiry(session, args[1],
               {.expiry = kNeverExpires, .condition = SetExpiry::Condition::kIfAny});
}

void ObjectEncodingCommand(RespSession& session, const RespArgs& args) {
  session.Submit(GetRequest{session.Key(args[2]), session.state().options}, ReplyEncoding);
}

void ObjectRefcountCommand(RespSession& session, const RespArgs& args) {
  session.Submit(GetRequest{session.Key(args[2]), session.state().options}, ReplyRefcount);
}

void MemoryUsageCommand(RespSession& session, const RespArgs& args) {
  if (args.size() > 3) {
    const bool samples = args.size() == 5 && EqualsWord(args[3], "samples");
    if (!samples) return session.Error(kSyntaxError);
    const auto count = ParseInteger<std::int64_t>(args[4]);
    if (!count.has_value()) return session.Error(kNotAnInteger);
    if (*count < 0) return session.Error(kSyntaxError);
  }
  session.Submit(GetRequest{session.Key(args[2]), session.state().options}, ReplyMemory,
                 args[2].size());
}

}  // namespace gyre
