/* JSON lines with bit patterns in them, as docs/process-protocol.md has them: read and written
 * in place, without a tree.  Requests hold no white space between their words.
 */
#ifndef LINES_H
#define LINES_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number system of arrays: real, and the integer that holds its bits. */
#ifdef DOUBLE
typedef double real;
typedef uint64_t bits;
#define DTYPE "float64"
#else
typedef float real;
typedef uint32_t bits;
#define DTYPE "float32"
#endif
enum { DIGITS = 2 * sizeof(real) };

static void *more(void *old, size_t bytes)
{
    void *new = realloc(old, bytes);
    if (new == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return new;
}

/* The next line, without its end, or NULL; it is there until the next call. */
static char *next_line(void)
{
    static char *line;
    static size_t room = 1 << 12;
    size_t n = 0;
    line = more(line, room);
    while (fgets(line + n, (int)(room - n), stdin) != NULL) {
        n += strlen(line + n);
        if (line[n - 1] == '\n') {
            line[n - 1] = '\0';
            return line;
        }
        line = more(line, room *= 2);
    }
    free(line);
    return line = NULL;
}

/* The place behind the value that begins here. */
static const char *past(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"')
            while (*++at != '"' && *at)
                at += *at == '\\';
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        at += *at != '\0';
    } while (*at && (depth > 0 || strchr(",:]}", *at) == NULL));
    return at;
}

/* The member of an object with this key, or NULL. */
static const char *member(const char *object, const char *key)
{
    size_t n = strlen(key);
    for (const char *at = object + 1; *at == '"'; at = past(at), at += *at == ',') {
        const char *name = at + 1;
        at = past(at) + 1;
        if (strncmp(name, key, n) == 0 && name[n] == '"')
            return at;
    }
    return NULL;
}

/* The first item of an array, or the one behind an item; NULL behind the last. */
static const char *first(const char *array)
{
    return array[1] == ']' ? NULL : array + 1;
}

static const char *next(const char *item)
{
    item = past(item);
    return *item == ',' ? item + 1 : NULL;
}

static int is(const char *value, const char *text)
{
    return value != NULL && strncmp(value, text, strlen(text)) == 0;
}

/* So many hexadecimal digits. */
static uint64_t pattern(const char *digits, size_t count)
{
    char word[17] = {0};
    return strtoull(memcpy(word, digits, count), NULL, 16);
}

/* The double in a string. */
static double number(const char *value)
{
    double x;
    uint64_t word = pattern(value + 1, 16);
    return *(double *)memcpy(&x, &word, sizeof x);
}

/* The n numbers in a string. */
static void numbers(const char *value, size_t n, real *x)
{
    for (size_t i = 0; i < n; i++) {
        bits word = (bits)pattern(value + 1 + i * (DIGITS + 1), DIGITS);
        memcpy(&x[i], &word, sizeof word);
    }
}

/* What stands before the next member that is written: nothing in front of the first. */
static const char *comma = "";

static void put_key(const char *key)
{
    printf("%s\"%s\":", comma, key);
    comma = ",";
}

static void put_flag(const char *key, int x)
{
    put_key(key);
    printf(x ? "true" : "false");
}

static void put_number(const char *key, double x)
{
    uint64_t word;
    memcpy(&word, &x, sizeof word);
    put_key(key);
    printf("\"%016" PRIx64 "\"", word);
}

static void put_numbers(const char *key, size_t n, const real *x)
{
    put_key(key);
    for (size_t i = 0; i < n; i++) {
        bits word;
        memcpy(&word, &x[i], sizeof word);
        printf("%c%0*" PRIx64, i ? ' ' : '"', DIGITS, (uint64_t)word);
    }
    printf("\"");
}

#endif
