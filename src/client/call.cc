#include "client/call.h"

#include <utility>
#include <vector>

#include "client/resp_client.h"

namespace gyre {
namespace {

using Words = std::vector<std::string_view>;

bool IsText(const RespValue& reply) { return reply.kind == RespValue::Kind::kString; }

bool IsFound(const RespValue& reply) {
  const RespValue* context = reply.Find("context");
  const RespValue* values = reply.Find("values");
  if (context == nullptr || !IsText(*context) || values == nullptr ||
      values->kind != RespValue::Kind::kArray) {
    return false;
  }
  for (const RespValue& value : values->items) {
    if (!IsText(value)) return false;
  }
  return true;
}

// PX and its number, which lives in `digits`. False: no such TTL.
bool AddTtl(const std::optional<std::chrono::milliseconds>& ttl, std::string& digits,
            Words& words) {
  if (!ttl) return true;
  if (ttl->count() <= 0) return false;
  digits = std::to_string(ttl->count());
  words.insert(words.end(), {"PX", digits});
  return true;
}

void AddQuorum(std::string_view letter, const std::string& count, Words& words) {
  if (!count.empty()) words.insert(words.end(), {letter, count});
}

ClientError BadTtl() { return {ErrorKind::kInvalid, "a TTL is above 0"}; }

Call Write(std::string_view key, const Words& words) {
  return {std::string(key), EncodeCommand(words), /*is_read=*/false, IsText};
}

}  // namespace

Call GetCall(std::string_view key, const GetOptions& options) {
  Words words = {"KV.GET", key};
  AddQuorum("R", options.r, words);
  return {std::string(key), EncodeCommand(words), /*is_read=*/true, IsFound};
}

Outcome<Call> PutCall(std::string_view key, std::string_view value, const Context& context,
                      const PutOptions& options) {
  Words words = {"KV.PUT", key, context.text(), value};
  std::string ttl;
  if (!AddTtl(options.ttl, ttl, words)) return BadTtl();
  AddQuorum("W", options.w, words);
  return Write(key, words);
}

Call DeleteCall(std::string_view key, const Context& context, const DeleteOptions& options) {
  Words words = {"KV.DEL", key, context.text()};
  AddQuorum("W", options.w, words);
  return Write(key, words);
}

Outcome<Call> SetCall(std::string_view key, std::string_view value, const SetOptions& options) {
  Words words = {"SET", key, value};
  std::string ttl;
  if (!AddTtl(options.ttl, ttl, words)) return BadTtl();
  return Write(key, words);
}

Outcome<Found> AsFound(Outcome<RespValue> reply) {
  if (!reply) return reply.error();
  Found found;
  found.context = Context(std::move(reply->Find("context")->text));
  for (RespValue& value : reply->Find("values")->items) {
    found.values.push_back(std::move(value.text));
  }
  return found;
}

Outcome<Context> AsContext(Outcome<RespValue> reply) {
  if (!reply) return reply.error();
  return Context(std::move(reply->text));
}

Outcome<Done> AsDone(const Outcome<RespValue>& reply) {
  if (!reply) return reply.error();
  return Done{};
}

Outcome<std::optional<std::string>> AsNewest(Outcome<Found> found) {
  if (!found) return found.error();
  if (found->values.empty()) return std::optional<std::string>();
  return std::optional<std::string>(std::move(found->values.front()));
}

}  // namespace gyre
