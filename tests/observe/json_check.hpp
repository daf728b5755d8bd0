#pragma once

#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace test {

// A JSON value, read strictly (RFC 8259); what is no JSON throws with the offset. Strings must be UTF-8 as far as lead
// and continuation bytes go, and are kept unescaped up to U+007F.
struct json {
  std::map<std::string, json> members;
  std::vector<json> items;
  std::string text;  // of a string; of a number as written
  double number = 0;
  char kind = 'n';  // object, array, string, number (0), true, false, null by their first letters: { [ " 0 t f n

  const json& operator[](const std::string& key) const { return members.at(key); }
  bool has(const std::string& key) const { return members.count(key) > 0; }

  static json parse(std::string_view all) {
    reader r{all};
    json result = r.value(0);
    r.space();
    if (r.at != all.size()) r.fail("more text");
    return result;
  }

 private:
  struct reader {
    std::string_view all;
    std::size_t at = 0;

    [[noreturn]] void fail(const char* what) const {
      throw std::runtime_error("JSON, byte " + std::to_string(at) + ": " + what);
    }
    char peek() const { return at < all.size() ? all[at] : '\0'; }
    void space() {
      while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at;
    }
    void expect(char c) {
      if (peek() != c) fail("an unexpected character");
      ++at;
    }
    bool digit() const { return peek() >= '0' && peek() <= '9'; }
    void digits() {
      if (!digit()) fail("a digit is missing");
      while (digit()) ++at;
    }

    json value(int depth) {
      if (depth > 50) fail("too deep");
      space();
      json v;
      v.kind = peek();
      const std::size_t first = at;
      if (v.kind == '{' || v.kind == '[') {
        const bool object = v.kind == '{';
        ++at;
        space();
        if (peek() == (object ? '}' : ']')) return ++at, v;
        while (true) {
          space();
          if (object) {
            const std::string key = string();
            space();
            expect(':');
            if (!v.members.emplace(key, value(depth + 1)).second) fail("a key twice");
          } else {
            v.items.push_back(value(depth + 1));
          }
          space();
          if (peek() != ',') break;
          ++at;
        }
        expect(object ? '}' : ']');
      } else if (v.kind == '"') {
        v.text = string();
      } else if (v.kind == '-' || digit()) {
        v.kind = '0';
        if (peek() == '-') ++at;
        if (peek() == '0')
          ++at;
        else
          digits();
        if (peek() == '.') ++at, digits();
        if (peek() == 'e' || peek() == 'E') {
          ++at;
          if (peek() == '+' || peek() == '-') ++at;
          digits();
        }
        v.text = std::string(all.substr(first, at - first));
        v.number = std::strtod(v.text.c_str(), nullptr);
      } else {
        for (const std::string_view word : {"true", "false", "null"})
          if (all.substr(at, word.size()) == word) return at += word.size(), v;
        fail("no value");
      }
      return v;
    }

    std::string string() {
      expect('"');
      std::string result;
      while (peek() != '"') {
        const unsigned char c = static_cast<unsigned char>(peek());
        if (at >= all.size() || c < 0x20) fail("a control character, or no end of a string");
        ++at;
        if (c == '\\') {
          const char escaped = peek();
          ++at;
          if (escaped == 'u') {
            const std::string hex(all.substr(at, 4));
            if (hex.size() != 4 || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) fail("\\u");
            const long code = std::strtol(hex.c_str(), nullptr, 16);
            result += code < 0x80 ? std::string(1, static_cast<char>(code)) : "<" + hex + ">";
            at += 4;
          } else {
            const std::size_t which = std::string_view("\"\\/bfnrt").find(escaped);
            if (which == std::string_view::npos) fail("an unknown escape");
            result += "\"\\/\b\f\n\r\t"[which];
          }
          continue;
        }
        result += static_cast<char>(c);
        const int more = c < 0x80                ? 0
                         : c >= 0xc2 && c < 0xe0 ? 1
                         : c >= 0xe0 && c < 0xf0 ? 2
                         : c >= 0xf0 && c < 0xf5 ? 3
                                                 : -1;
        if (more < 0) fail("no UTF-8");
        for (int i = 0; i < more; ++i, ++at) {
          if ((static_cast<unsigned char>(peek()) & 0xc0) != 0x80) fail("no UTF-8");
          result += peek();
        }
      }
      ++at;
      return result;
    }
  };
};

}  // namespace test
