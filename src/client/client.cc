// The public client: checks, commands and answers. Where they go is router.h's matter.
#include "gyre/client.h"

#include "client/router.h"
#include "client/verdict.h"

namespace gyre {
namespace {

using Millis = std::chrono::milliseconds;

ClientError Invalid(std::string message) { return {ErrorKind::kInvalid, std::move(message)}; }

constexpr Millis kLongest = std::chrono::hours(24);  // of a timeout
constexpr int kRetriesMax = 1000;

std::optional<ClientError> Check(const ClientOptions& options) {
  if (options.addresses.empty()) return Invalid("no address is given");
  if (options.addresses.size() > ClientOptions::kAddressesMax) {
    return Invalid("more than " + std::to_string(ClientOptions::kAddressesMax) + " addresses");
  }
  for (const Millis timeout : {options.timeout, options.connect_timeout}) {
    if (timeout <= Millis(0) || timeout > kLongest) {
      return Invalid("timeouts are above 0, and at most a day");
    }
  }
  if (options.retries < 0 || options.retries > kRetriesMax) {
    return Invalid("retries are from 0 to " + std::to_string(kRetriesMax));
  }
  if (options.connections_per_node_max == 0) return Invalid("a node needs a connection");
  return std::nullopt;
}

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

// PX and its number, kept by the caller while the command is under way. False: no such TTL.
bool AddTtl(const std::optional<Millis>& ttl, std::string& digits,
            std::vector<std::string_view>& command) {
  if (!ttl) return true;
  if (*ttl <= Millis(0)) return false;
  digits = std::to_string(ttl->count());
  command.insert(command.end(), {"PX", digits});
  return true;
}

void AddQuorum(std::string_view letter, const std::string& count,
               std::vector<std::string_view>& command) {
  if (!count.empty()) command.insert(command.end(), {letter, count});
}

constexpr char kBadTtl[] = "a TTL is above 0";

Outcome<Context> AsContext(Outcome<RespValue> reply) {
  if (!reply) return reply.error();
  return Context(std::move(reply->text));
}

}  // namespace

std::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kNotConnected:
      return "not connected";
    case ErrorKind::kUnavailable:
      return "unavailable";
    case ErrorKind::kBusy:
      return "busy";
    case ErrorKind::kUnknown:
      return "unknown";
    case ErrorKind::kStorage:
      return "storage";
  }
  return "no such kind";
}

class Client::Impl {
 public:
  Impl(ClientOptions options, const std::vector<NodeAddress>& addresses)
      : addresses_(options.addresses), router_(options, addresses) {}

  Router& router() { return router_; }
  const std::string& address(std::size_t i) const { return addresses_[i]; }

 private:
  const std::vector<std::string> addresses_;
  Router router_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Outcome<Client> Client::Connect(ClientOptions options) {
  if (std::optional<ClientError> wrong = Check(options)) return *std::move(wrong);
  std::vector<NodeAddress> addresses;
  for (const std::string& address : options.addresses) {
    Result<NodeAddress> parsed = ParseNodeAddress(address);
    if (!parsed) return Invalid(std::move(parsed.error().message));
    addresses.push_back(std::move(*parsed));
  }
  auto impl = std::make_unique<Impl>(std::move(options), addresses);
  impl->router().Start();

  // One that serves is enough, but what is wrong now and will stay so is said now: who mixes up two
  // clusters must not get the one that happened to answer first.
  bool any_up = false;
  std::optional<ClientError> problem;
  const std::vector<Endpoint::State> states = impl->router().States();
  for (std::size_t i = 0; i < states.size(); ++i) {
    any_up = any_up || states[i].standing == Endpoint::Standing::kUp;
    if (!states[i].problem) continue;
    ClientError error = AfterNoConnection(*states[i].problem).error;
    error.message = impl->address(i) + ": " + error.message;
    if (error.kind == ErrorKind::kInvalid) return error;
    if (!problem) problem = std::move(error);
  }
  if (!any_up) return problem.value_or(ClientError{ErrorKind::kNotConnected, "no node answers"});
  return Client(std::move(impl));
}

Outcome<Found> Client::Get(std::string_view key, const GetOptions& options) {
  Router::Request request{key, {"KV.GET", key}, /*is_read=*/true, IsFound};
  AddQuorum("R", options.r, request.command);
  Outcome<RespValue> reply = impl_->router().Run(request);
  if (!reply) return reply.error();
  Found found;
  found.context = Context(reply->Find("context")->text);
  for (RespValue& value : reply->Find("values")->items) {
    found.values.push_back(std::move(value.text));
  }
  return found;
}

Outcome<Context> Client::Put(std::string_view key, std::string_view value, const Context& context,
                             const PutOptions& options) {
  Router::Request request{key, {"KV.PUT", key, context.text(), value}, /*is_read=*/false, IsText};
  std::string ttl;
  if (!AddTtl(options.ttl, ttl, request.command)) return Invalid(kBadTtl);
  AddQuorum("W", options.w, request.command);
  return AsContext(impl_->router().Run(request));
}

Outcome<Context> Client::Delete(std::string_view key, const Context& context,
                                const DeleteOptions& options) {
  Router::Request request{key, {"KV.DEL", key, context.text()}, /*is_read=*/false, IsText};
  AddQuorum("W", options.w, request.command);
  return AsContext(impl_->router().Run(request));
}

Outcome<Done> Client::Set(std::string_view key, std::string_view value, const SetOptions& options) {
  Router::Request request{key, {"SET", key, value}, /*is_read=*/false, IsText};
  std::string ttl;
  if (!AddTtl(options.ttl, ttl, request.command)) return Invalid(kBadTtl);
  const Outcome<RespValue> reply = impl_->router().Run(request);
  if (!reply) return reply.error();
  return Done{};
}

Outcome<std::optional<std::string>> Client::GetNewest(std::string_view key,
                                                      const GetOptions& options) {
  Outcome<Found> found = Get(key, options);
  if (!found) return found.error();
  if (found->values.empty()) return std::optional<std::string>();
  return std::optional<std::string>(std::move(found->values.front()));
}

std::vector<NodeState> Client::Nodes() const {
  std::vector<NodeState> nodes;
  const std::vector<Endpoint::State> states = impl_->router().States();
  for (std::size_t i = 0; i < states.size(); ++i) {
    nodes.push_back({impl_->address(i), states[i].name,
                     states[i].standing == Endpoint::Standing::kUp,
                     states[i].problem ? states[i].problem->message : std::string()});
  }
  return nodes;
}

}  // namespace gyre
