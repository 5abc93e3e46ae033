// Commands about the connection itself. Answers are Redis 7's to the letter: clients depend on
// them.
#include <algorithm>

#include "server/resp/arguments.h"
#include "server/resp/commands.h"
#include "server/resp/resp_session.h"

namespace gyre {
namespace {

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";
// Clients read features off this, so it names the Redis whose replies these are.
constexpr std::string_view kRedisVersion = "7.0.15";
constexpr std::size_t kNameBytesMax = 1024;

// Takes as long for every guess of one length.
bool SamePassword(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference = static_cast<unsigned char>(difference | (a[i] ^ other));
  }
  return difference == 0;
}

// Redis's default user: without a password set, any does.
bool PasswordFits(const std::string& expected, std::string_view user, std::string_view password) {
  return user == "default" && (expected.empty() || SamePassword(password, expected));
}

bool IsPlainName(std::string_view name) {
  return name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

constexpr std::string_view kBadName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

void ReplyHello(RespSession& session) {
  RespWriter out = session.Reply();
  const auto text = [&](std::string_view key, std::string_view value) {
    out.Bulk(key);
    out.Bulk(value);
  };
  out.Map(7);
  text("server", "redis");
  text("version", kRedisVersion);
  out.Bulk(std::string_view("proto"));
  out.Integer(session.state().resp3 ? 3 : 2);
  out.Bulk(std::string_view("id"));
  out.Integer(static_cast<std::int64_t>(session.id()));
  text("mode", "standalone");
  text("role", "master");
  out.Bulk(std::string_view("modules"));
  out.Array(0);
}

}  // namespace

void PingCommand(RespSession& session, const RespArgs& args) {
  if (args.size() > 2) {
    return session.Error("ERR wrong number of arguments for 'ping' command");
  }
  if (args.size() == 1) return session.Reply().Simple("PONG");
  session.Reply().Bulk(args[1]);
}

void EchoCommand(RespSession& session, const RespArgs& args) { session.Reply().Bulk(args[1]); }

void QuitCommand(RespSession& session, const RespArgs&) {
  session.Reply().Ok();
  session.CloseAfterReplies();
}

void ResetCommand(RespSession& session, const RespArgs&) {
  session.ResetState();
  session.Reply().Simple("RESET");
}

void SelectCommand(RespSession& session, const RespArgs& args) {
  const auto index = ParseInteger<std::int32_t>(args[1]);
  if (!index.has_value()) return session.Error(kNotAnInteger);
  if (*index != 0) return session.Error("ERR DB index is out of range");
  session.Reply().Ok();
}

void AuthCommand(RespSession& session, const RespArgs& args) {
  if (args.size() > 3) return session.Error(kSyntaxError);
  const std::string& expected = session.service().options().password;
  if (args.size() == 2 && expected.empty()) {
    return session.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const std::string_view user = args.size() == 3 ? args[1] : "default";
  if (!PasswordFits(expected, user, args[args.size() - 1])) {
    return session.Error(kWrongPassword);
  }
  session.set_authenticated(true);
  session.Reply().Ok();
}

void HelloCommand(RespSession& session, const RespArgs& args) {
  std::optional<bool> resp3;
  if (args.size() > 1) {
    const auto version = ParseInteger<std::int64_t>(args[1]);
    if (!version.has_value()) {
      return session.Error("ERR Protocol version is not an integer or out of range");
    }
    if (*version != 2 && *version != 3) {
      return session.Error("NOPROTO unsupported protocol version");
    }
    resp3 = *version == 3;
  }
  std::optional<std::string_view> name;
  bool password_shown = false;
  for (std::size_t i = 2; i < args.size(); ++i) {
    if (EqualsWord(args[i], "auth") && i + 2 < args.size()) {
      if (!PasswordFits(session.service().options().password, args[i + 1], args[i + 2])) {
        return session.Error(kWrongPassword);
      }
      password_shown = true;
      i += 2;
    } else if (EqualsWord(args[i], "setname") && i + 1 < args.size()) {
      name = args[++i];
      if (!IsPlainName(*name)) return session.Error(kBadName);
    } else {
      return session.Error("ERR Syntax error in HELLO option '" +
                           std::string(args[i].substr(0, 128)) + "'");
    }
  }
  if (password_shown) session.set_authenticated(true);
  if (!session.state().authenticated) {
    return session.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
  }
  if (resp3.has_value()) session.state().resp3 = *resp3;
  if (name.has_value()) session.state().name = *name;
  ReplyHello(session);
}

void ClientIdCommand(RespSession& session, const RespArgs&) {
  session.Reply().Integer(static_cast<std::int64_t>(session.id()));
}

void ClientInfoCommand(RespSession& session, const RespArgs&) {
  session.Reply().Verbatim("txt", session.Describe() + "\n");
}

void ClientListCommand(RespSession& session, const RespArgs& args) {
  const auto& sessions = session.service().sessions();
  std::string text;
  if (args.size() == 4 && EqualsWord(args[2], "type")) {
    const bool known = EqualsWord(args[3], "normal") || EqualsWord(args[3], "master") ||
                       EqualsWord(args[3], "replica") || EqualsWord(args[3], "slave") ||
                       EqualsWord(args[3], "pubsub");
    if (!known) {
      return session.Error("ERR Unknown client type '" + std::string(args[3].substr(0, 128)) + "'");
    }
    if (!EqualsWord(args[3], "normal")) return session.Reply().Verbatim("txt", "");
  } else if (args.size() > 3 && EqualsWord(args[2], "id")) {
    for (std::size_t i = 3; i < args.size(); ++i) {
      const auto id = ParseInteger<std::int64_t>(args[i]);
      if (!id.has_value() || *id < 1) return session.Error("ERR Invalid client ID");
      const auto found = sessions.find(static_cast<std::uint64_t>(*id));
      if (found != sessions.end()) text += found->second->Describe() + "\n";
    }
    return session.Reply().Verbatim("txt", text);
  } else if (args.size() != 2) {
    return session.Error(kSyntaxError);
  }
  for (const auto& [id, other] : sessions) text += other->Describe() + "\n";
  session.Reply().Verbatim("txt", text);
}

void ClientSetnameCommand(RespSession& session, const RespArgs& args) {
  if (!IsPlainName(args[2])) return session.Error(kBadName);
  session.state().name = args[2];
  session.Reply().Ok();
}

void ClientGetnameCommand(RespSession& session, const RespArgs&) {
  const std::string& name = session.state().name;
  if (name.empty()) return session.Reply().Null();
  session.Reply().Bulk(name);
}

void ClientSetinfoCommand(RespSession& session, const RespArgs& args) {
  const bool name = EqualsWord(args[2], "lib-name");
  if (!name && !EqualsWord(args[2], "lib-ver")) {
    return session.Error("ERR Unrecognized option '" + std::string(args[2].substr(0, 128)) + "'");
  }
  if (!IsPlainName(args[3])) {
    return session.Error("ERR " + std::string(name ? "lib-name" : "lib-ver") +
                         " cannot contain spaces, newlines or special characters.");
  }
  (name ? session.lib_name() : session.lib_version()) = args[3];
  session.Reply().Ok();
}

// NO-EVICT and NO-TOUCH: there is nothing to switch.
void ClientSwitchCommand(RespSession& session, const RespArgs& args) {
  if (!EqualsWord(args[2], "on") && !EqualsWord(args[2], "off")) {
    return session.Error(kSyntaxError);
  }
  session.Reply().Ok();
}

void ClientReplyCommand(RespSession& session, const RespArgs& args) {
  using ReplyMode = RespClientState::ReplyMode;
  if (EqualsWord(args[2], "on")) {
    session.SetReplyMode(ReplyMode::kOn);
    return session.Reply().Ok();
  }
  if (EqualsWord(args[2], "off")) return session.SetReplyMode(ReplyMode::kOff);
  // Redis: of a connection whose replies are off, SKIP changes nothing.
  if (EqualsWord(args[2], "skip")) {
    if (session.state().reply_mode != ReplyMode::kOff) session.SetReplyMode(ReplyMode::kSkipNext);
    return;
  }
  session.Error(kSyntaxError);
}

void ClientKillCommand(RespSession& session, const RespArgs&) {
  session.Error("ERR CLIENT KILL is not offered: connections are closed by their clients");
}

}  // namespace gyre
