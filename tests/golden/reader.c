/* reader FILE: list the numbers of a golden case, and its content digest.
 *
 * Written from docs/golden-format.md alone, in C99.  A line of the listing is a name, an index and
 * a number as %a writes it, or a flag as 0 or 1; the last line is the digest.  What is no case in
 * canonical form is refused with a message and exit status 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 24, MOST_DEPTH = 32, MOST_DIGITS = 15 };

static const char DIGITS[] = "0123456789abcdef";
static const char *file_name = "";

static void die(const char *what, const char *where)
{
    fflush(stdout);
    fprintf(stderr, "reader: %s: %s%s%s\n", file_name, what, *where ? ": " : "", where);
    exit(1);
}

/* Memory, which is never given back. */
static void *more(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL)
        die("out of memory", "");
    return old == NULL ? memset(p, 0, size) : p;
}

/* ------------------------------------------------------------------ SHA-256 (FIPS 180-4) */

typedef struct {
    uint32_t h[8];
    uint64_t length;
    unsigned char block[64];
} Sha;

static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha_block(Sha *sha)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        const unsigned char *b = sha->block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] +
               (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    memcpy(s, sha->h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[0], e = s[4];
        uint32_t x = s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
                     ((e & s[5]) ^ (~e & s[6])) + K[i] + w[i];
        uint32_t y = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
                     ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += x;
        s[0] = x + y;
    }
    for (int i = 0; i < 8; i++)
        sha->h[i] += s[i];
}

static void sha_add(Sha *sha, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++) {
        sha->block[sha->length++ % 64] = p[i];
        if (sha->length % 64 == 0)
            sha_block(sha);
    }
}

static void sha_add_number(Sha *sha, uint64_t number)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        sha_add(sha, &(unsigned char){(unsigned char)(number >> shift)}, 1);
}

static void sha_print(Sha *sha)
{
    uint64_t bits = 8 * sha->length;
    sha_add(sha, "\x80", 1);
    while (sha->length % 64 != 56)
        sha_add(sha, "", 1);
    sha_add_number(sha, bits);
    for (int i = 0; i < 8; i++)
        printf("%08lx", (unsigned long)sha->h[i]);
    printf("\n");
}

/* ------------------------------------------------------------------ text to tree and back */

typedef struct Node {
    char kind;        /* '{' '[' '"' '0' 't' 'f' 'n' */
    const char *key;  /* of a member of an object, or NULL */
    const char *text; /* of a string without its quotation marks, escapes as they are */
    size_t key_size, size;
    struct Node *first, *next;
} Node;

typedef struct {
    const char *at, *end; /* *end is a zero byte */
    int depth;
} Source;

static void expect(Source *in, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n) != 0)
        die("no canonical JSON, there should be", word);
    in->at += n;
}

static void space(Source *in)
{
    while (*in->at == ' ' || *in->at == '\n')
        in->at++;
}

static int among(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Pass over the rest of a string, behind its first quotation mark; return its length. */
static size_t string(Source *in)
{
    const char *from = in->at;
    for (; *in->at != '"'; in->at++) {
        if (*in->at < ' ' || *in->at > '~')
            die("a string holds what is to be escaped, or does not end", "");
        if (*in->at != '\\' || among(*++in->at, "\"\\bfnrt"))
            continue;
        char word[5] = {0};
        expect(in, "u");
        if (strspn(in->at, DIGITS) < 4)
            die("an escape needs four lowercase hexadecimal digits", "");
        unsigned long code = strtoul(memcpy(word, in->at, 4), NULL, 16);
        if ((code >= ' ' && code <= '~') || (code < 32 && among((char)code, "\b\f\n\r\t")))
            die("an escape is not canonical", "");
        in->at += 3;
    }
    return (size_t)(in->at++ - from);
}

static Node *parse(Source *in);

static void members(Source *in, Node *node)
{
    Node **link = &node->first, *before = NULL;
    char last = node->kind == '{' ? '}' : ']';
    if (++in->depth > MOST_DEPTH)
        die("nests too deeply", "");
    space(in);
    for (; *in->at != last; before = *link, link = &before->next) {
        const char *key = NULL;
        size_t n = 0;
        if (before != NULL) {
            expect(in, ",");
            space(in);
        }
        if (node->kind == '{') {
            expect(in, "\"");
            key = in->at;
            n = string(in);
            expect(in, ": ");
        }
        *link = parse(in);
        (*link)->key = key;
        (*link)->key_size = n;
        if (key != NULL && before != NULL) {
            size_t m = before->key_size;
            int order = memcmp(before->key, key, m < n ? m : n);
            if (order > 0 || (order == 0 && m >= n))
                die("keys are not in order", "");
        }
        space(in);
    }
    in->at++;
    in->depth--;
}

static Node *parse(Source *in)
{
    Node *node = more(NULL, sizeof *node);
    node->kind = *in->at;
    node->text = in->at;
    if (among(node->kind, "{[")) {
        in->at++;
        members(in, node);
    } else if (node->kind == '"') {
        node->text = ++in->at;
        node->size = string(in);
        return node;
    } else if (among(node->kind, "-0123456789")) {
        in->at += *in->at == '-';
        if (*in->at == '0' ? node->kind == '-' || among(in->at[1], "0123456789")
                           : !among(*in->at, "123456789"))
            die("a number is not canonical", "");
        while (among(*in->at, "0123456789"))
            in->at++;
        if (in->at - node->text > MOST_DIGITS)
            die("a number is too long", "");
        node->kind = '0';
    } else {
        expect(in, node->kind == 't' ? "true" : node->kind == 'f' ? "false" : "null");
    }
    node->size = (size_t)(in->at - node->text);
    return node;
}

typedef struct {
    char *bytes;
    size_t size, room;
} Text;

static void put(Text *out, const char *bytes, size_t size)
{
    if (out->room - out->size < size)
        out->bytes = more(out->bytes, out->room = 2 * (out->room + size));
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

/* The canonical text of a tree; the line on which it begins is indented by margin. */
static void spell(Text *out, const Node *node, size_t margin)
{
    static const char margins[MOST_DEPTH + 2] = "\n                                ";
    int tall = 0;
    if (!among(node->kind, "{[")) { /* with the quotation marks of a string */
        size_t mark = node->kind == '"';
        put(out, node->text - mark, node->size + 2 * mark);
        return;
    }
    for (const Node *x = node->first; x != NULL; x = x->next)
        tall |= among(x->kind, "{[");
    put(out, &node->kind, 1);
    for (const Node *x = node->first; x != NULL; x = x->next) {
        if (x != node->first)
            put(out, ", ", tall ? 1 : 2);
        if (tall)
            put(out, margins, margin + 2);
        if (node->kind == '{') {
            put(out, x->key - 1, x->key_size + 2);
            put(out, ": ", 2);
        }
        spell(out, x, margin + 1);
    }
    if (tall)
        put(out, margins, margin + 1);
    put(out, node->kind == '{' ? "}" : "]", 1);
}

/* ------------------------------------------------------------------ fields */

static int is(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(text, word, size) == 0;
}

/* Whether a list of words between spaces has this one. */
static int listed(const char *text, size_t size, const char *words)
{
    for (size_t n; *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        if (n == size && memcmp(text, words, n) == 0)
            return 1;
    }
    return 0;
}

static Node *find(const Node *node, const char *key, size_t size)
{
    for (Node *x = node->first; x != NULL; x = x->next)
        if (x->key_size == size && memcmp(x->key, key, size) == 0)
            return x;
    return NULL;
}

/* The member of this name, which is of one of these kinds. */
static Node *get(const Node *node, const char *key, const char *kinds)
{
    Node *x = find(node, key, strlen(key));
    if (x == NULL || !among(x->kind, kinds))
        die("is missing, or of another type", key);
    return x;
}

/* Refuse anything but an object that has no other fields than these. */
static void closed(const Node *node, const char *fields)
{
    if (node->kind != '{')
        die("there should be an object with these fields", fields);
    for (const Node *x = node->first; x != NULL; x = x->next)
        if (!listed(x->key, x->key_size, fields))
            die("there is a field beside these", fields);
}

static size_t length(const Node *node)
{
    size_t n = 0;
    for (const Node *x = node->first; x != NULL; x = x->next)
        n++;
    return n;
}

static char *joined(const char *a, const char *b, size_t size)
{
    size_t n = strlen(a);
    char *made = more(NULL, n + size + 1);
    memcpy(made, a, n);
    memcpy(made + n, b, size);
    return made;
}

/* ------------------------------------------------------------------ entries */

typedef struct {
    const char *name, *shape;
    const char *digits; /* of doubles, or NULL for a flag */
    size_t count;
    int flag, digested;
} Entry;

static Entry *entries;
static size_t entry_count, entry_room;

static void add(Entry entry)
{
    if (entry_count == entry_room)
        entries = more(entries, (entry_room = 2 * entry_room + 64) * sizeof *entries);
    entries[entry_count++] = entry;
}

/* 16 of 0-9 and a-f, checked before. */
static double from_hex(const char *digits)
{
    char word[17] = {0};
    uint64_t bits;
    double x;
    memcpy(word, digits, 16);
    bits = strtoull(word, NULL, 16);
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void doubles(const char *name, const Node *node, size_t count, const char *shape,
                    int digested)
{
    const char *p = node->text;
    if (node->kind != '"' || node->size != 17 * count - 1)
        die("has another number of doubles", name);
    for (size_t i = 0; i < node->size; i++)
        if (i % 17 == 16 ? p[i] != ' ' : !among(p[i], DIGITS))
            die("is no string of doubles", name);
    for (size_t i = 0; i < count; i++)
        if (among(p[17 * i], "7f") && p[17 * i + 1] == 'f' && p[17 * i + 2] == 'f')
            die("holds an infinity or NaN", name);
    add((Entry){name, shape, p, count, 0, digested});
}

static void value(const char *name, const Node *node, size_t count, const char *shape, int line)
{
    const Node *lo;
    int zero = 1;
    closed(node, line ? "hi lo proved" : "hi lo");
    if (line)
        get(node, "proved", "t");
    doubles(joined(name, "/hi", 3), get(node, "hi", "\""), count, shape, 1);
    if ((lo = find(node, "lo", 2)) == NULL)
        return;
    doubles(joined(name, "/lo", 3), lo, count, shape, 1);
    for (size_t i = 0; i < count; i++)
        zero &= from_hex(lo->text + 17 * i) == 0;
    if (zero)
        die("lo should be left out where it is 0", name);
}

/* ------------------------------------------------------------------ the case */

#define ELEMENTS "denominator direction fast g m m_hat regularized slow theta u update v v_hat"
#define SINGLES                                                                             \
    "beta1_t beta2_t bias_correction cap direction_norm lr ratio rectification rectified " \
    "rho rho_inf trust_ratio weight_norm"

typedef struct {
    const Node *name;
    size_t size;
    const char *shape;
} Layer;

static Layer layer_of(const Node *node)
{
    Layer layer = {get(node, "name", "\""), 1, ""};
    closed(node, "name shape");
    for (const Node *x = get(node, "shape", "[")->first; x != NULL; x = x->next) {
        long long n = x->kind == '0' ? atoll(x->text) : 0;
        if (n < 1 || n > MOST_BYTES || layer.size * (size_t)n > MOST_BYTES)
            die("a shape is out of range", "");
        layer.size *= (size_t)n;
        layer.shape = joined(layer.shape, ",", *layer.shape != '\0');
        layer.shape = joined(layer.shape, x->text, x->size);
    }
    return layer;
}

/* The inputs and lines of one layer; returns how many numbers the lines have. */
static size_t layer_step(const char *path, const Node *step, Layer layer)
{
    const Node *in = find(get(step, "inputs", "{"), layer.name->text, layer.name->size);
    const Node *out = find(get(step, "lines", "{"), layer.name->text, layer.name->size);
    const char *name;
    size_t count = 0;
    if (in == NULL || out == NULL)
        die("a layer is missing", path);
    closed(in, "g m slow theta u v");
    closed(out, ELEMENTS " " SINGLES);
    get(in, "theta", "{");
    if (get(in, "g", "n{")->kind == 'n' && out->first != NULL)
        die("a frozen layer has lines", path);
    name = joined(joined(path, "inputs/", 7), layer.name->text, layer.name->size);
    for (const Node *x = in->first; x != NULL; x = x->next)
        if (x->kind != 'n' || !is(x->key, x->key_size, "g"))
            value(joined(joined(name, "/", 1), x->key, x->key_size), x, layer.size, layer.shape, 0);
    name = joined(joined(path, "lines/", 6), layer.name->text, layer.name->size);
    for (const Node *x = out->first; x != NULL; x = x->next) {
        const char *tag = joined(joined(name, "/", 1), x->key, x->key_size);
        int single = listed(x->key, x->key_size, SINGLES);
        if (is(x->key, x->key_size, "rectified")) {
            if (!among(x->kind, "tf"))
                die("should be a flag", tag);
            add((Entry){tag, "1", NULL, 1, x->kind == 't', 1});
            continue;
        }
        value(tag, x, single ? 1 : layer.size, single ? "" : layer.shape, 1);
        count += single ? 1 : layer.size;
    }
    return count;
}

/* A step without its inputs, lines and model, which become entries; returns how many numbers. */
static size_t read_step(Node *step, size_t index, const Layer *layers, size_t layer_count)
{
    char path[48];
    size_t count = 0;
    const Node *model, *metric, *warmup;
    closed(step, "inputs lines lr metric model t warmup");
    snprintf(path, sizeof path, "steps/%lu/", (unsigned long)index);
    if (length(get(step, "inputs", "{")) != layer_count ||
        length(get(step, "lines", "{")) != layer_count)
        die("needs all layers and no others", path);
    for (size_t i = 0; i < layer_count; i++)
        count += layer_step(path, step, layers[i]);
    if ((model = find(step, "model", 5)) != NULL) {
        closed(model, "h");
        value(joined(path, "model/h", 7), get(model, "h", "{"), 1, "", 1);
        count++;
    }
    doubles(joined(path, "lr", 2), get(step, "lr", "\""), 1, "", 0);
    if ((metric = find(step, "metric", 6)) != NULL)
        doubles(joined(path, "metric", 6), metric, 1, "", 0);
    warmup = get(step, "warmup", "n\"");
    if (warmup->kind == '"' && !listed(warmup->text, warmup->size, "momentum none"))
        die("warmup is unknown", path);
    if (atoll(get(step, "t", "0")->text) < 1)
        die("t should be at least 1", path);
    for (Node **x = &step->first; *x != NULL;)
        if (listed((*x)->key, (*x)->key_size, "inputs lines model"))
            *x = (*x)->next;
        else
            x = &(*x)->next;
    return count;
}

static void read_case(const Node *top)
{
    const Node *format, *growth, *count, *tier;
    Node *steps;
    Layer *layers;
    size_t layer_count = 0, step_count = 0, values = 0;
    closed(top, "about case catches count format growth layers problem schedule spec steps tier");
    format = get(top, "format", "\"");
    if (!is(format->text, format->size, "paratrooper-ref golden 1"))
        die("is of another format", "");
    get(top, "about", "\"");
    get(top, "case", "\"");
    get(top, "catches", "[");
    tier = get(top, "tier", "\"");
    if (!listed(tier->text, tier->size, "core full"))
        die("the tier is unknown", "");
    closed(get(top, "spec", "{"), "algorithm hyper layers");
    layers = more(NULL, (length(get(top, "layers", "[")) + 1) * sizeof *layers);
    for (const Node *x = get(top, "layers", "[")->first; x != NULL; x = x->next)
        layers[layer_count++] = layer_of(x);
    steps = get(top, "steps", "[")->first;
    for (; steps != NULL; steps = steps->next)
        values += read_step(steps, step_count++, layers, layer_count);
    count = get(top, "count", "{");
    closed(count, "steps values");
    if (atoll(get(count, "steps", "0")->text) != (long long)step_count ||
        atoll(get(count, "values", "0")->text) != (long long)values)
        die("count is another", "");
    if ((growth = find(top, "growth", 6)) != NULL)
        doubles("growth", growth, step_count, "", 0);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name);
}

static void list(Sha *sha, const Entry *entry)
{
    if (entry->digested) {
        sha_add(sha, entry->name, strlen(entry->name) + 1);
        sha_add(sha, entry->digits ? "f8" : "u1", 3);
        sha_add(sha, entry->shape, strlen(entry->shape) + 1);
    }
    if (entry->digits == NULL) {
        sha_add(sha, entry->flag ? "\1" : "\0", 1);
        printf("%s 0 %d\n", entry->name, entry->flag);
        return;
    }
    for (size_t i = 0; i < entry->count; i++) {
        double x = from_hex(entry->digits + 17 * i);
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
        if (entry->digested)
            sha_add_number(sha, bits);
        printf("%s %lu %a\n", entry->name, (unsigned long)i, x);
    }
}

int main(int argc, char **argv)
{
    static Text whole, text;
    char chunk[1 << 14];
    Sha sha = {{0}, 0, {0}};
    Source in = {NULL, NULL, 0};
    Node *top;
    char size[24];
    FILE *file;
    size_t n;
    if (argc != 2) {
        fprintf(stderr, "usage: reader FILE\n");
        return 2;
    }
    file_name = argv[1];
    if ((file = fopen(file_name, "rb")) == NULL)
        die("cannot be read", "");
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0 && whole.size <= MOST_BYTES)
        put(&whole, chunk, n);
    if (ferror(file) || whole.size > MOST_BYTES)
        die("cannot be read, or is larger than 16 MiB", "");
    fclose(file);
    n = whole.size;
    whole.bytes = more(whole.bytes, n + 1); /* exactly: a sanitizer sees what is beyond */
    whole.bytes[n] = '\0';
    in = (Source){whole.bytes, whole.bytes + n, 0};

    top = parse(&in);
    spell(&text, top, 0);
    put(&text, "\n", 1);
    if (text.size != n || memcmp(text.bytes, whole.bytes, n) != 0)
        die("is not written canonically", "");
    read_case(top);

    text.size = 0;
    spell(&text, top, 0);
    put(&text, "\n", 1);
    snprintf(size, sizeof size, "%lu", (unsigned long)text.size);
    memcpy(sha.h, START, sizeof START);
    sha_add(&sha, "about\0u1", 9);
    sha_add(&sha, size, strlen(size) + 1);
    sha_add(&sha, text.bytes, text.size);
    qsort(entries, entry_count, sizeof *entries, by_name);
    for (size_t i = 0; i < entry_count; i++)
        list(&sha, entries + i);
    printf("content ");
    sha_print(&sha);
    return 0;
}
