// A user's preferences: read, change one, write with the context that was read. Where two changes
// crossed, each preference is that of the sibling that has set it last by its own counter.
//   preferences HOST:PORT[,HOST:PORT...] USER [NAME=VALUE...]     prints what holds then
#include <gyre/client.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include "addresses.h"

namespace {

struct Setting {
  long changes = 0;  // how often it was set: more wins
  std::string value;
  auto operator<=>(const Setting&) const = default;
};
using Preferences = std::map<std::string, Setting>;

// Lines of "changes name=value".
Preferences Merge(const gyre::Found& found) {
  Preferences merged;
  for (const std::string& sibling : found.values) {
    std::istringstream lines(sibling);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t space = line.find(' ');
      const std::size_t equals = line.find('=');
      if (space == std::string::npos || equals == std::string::npos || equals < space) continue;
      const Setting setting{std::atol(line.c_str()), line.substr(equals + 1)};
      Setting& known = merged[line.substr(space + 1, equals - space - 1)];
      if (known < setting) known = setting;
    }
  }
  return merged;
}

std::string Encode(const Preferences& preferences) {
  std::string text;
  for (const auto& [name, setting] : preferences) {
    text += std::to_string(setting.changes) + " " + name + "=" + setting.value + "\n";
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: preferences HOST:PORT,... USER ...\n"), 2;
  auto client = gyre::Client::Connect({.addresses = SplitAddresses(argv[1])});
  if (!client) return std::fprintf(stderr, "connect: %s\n", client.error().message.c_str()), 1;
  const std::string key = std::string("preferences:") + argv[2];
  const auto found = client->Get(key);
  if (!found) return std::fprintf(stderr, "get: %s\n", found.error().message.c_str()), 1;
  Preferences preferences = Merge(*found);
  for (int i = 3; i < argc; ++i) {
    const std::string change = argv[i];
    const std::size_t equals = change.find('=');
    if (equals == std::string::npos) return std::fprintf(stderr, "NAME=VALUE, please\n"), 2;
    Setting& setting = preferences[change.substr(0, equals)];
    setting = {setting.changes + 1, change.substr(equals + 1)};
  }
  // Also if nothing was changed: siblings become one value again.
  if (argc > 3 || found->values.size() > 1) {
    const auto put = client->Put(key, Encode(preferences), found->context);
    if (!put) {
      std::fprintf(stderr, "put: %s: %s\n", gyre::ErrorKindName(put.error().kind).data(),
                   put.error().message.c_str());
      return 1;
    }
  }
  for (const auto& [name, setting] : preferences) {
    std::printf("%s=%s\n", name.c_str(), setting.value.c_str());
  }
  return 0;
}
