/* Paratrooper in C, as a program that answers JSON lines (docs/process-protocol.md).
 *
 *     cc -std=c99 -O2 paratrooper.c -lm               arrays of float
 *     cc -std=c99 -O2 -DDOUBLE paratrooper.c -lm      arrays of double
 *
 * Scalars are doubles.  They are rounded once, to real, where they meet an array.
 */
#include <tgmath.h>

#include "lines.h"

/* ------------------------------------------------------------------ the algorithm */

typedef enum { UNDECIDED, MOMENTUM, NONE } Warmup;

typedef struct {
    double beta1, beta2, eps, weight_decay, l2, threshold, alpha, lower, cap;
    int eps_inside_root, adapt, scheduled; /* scheduled: the cap follows rho */
    long k;
} Hyper;

typedef struct {
    size_t n;
    real *theta, *g, *m, *v, *slow; /* parameters, gradient, moments, slow parameters */
    real *s, *d;                    /* denominator, direction */
    int frozen;
    double lr;
    Hyper hyper;
    double rho, cap, trust; /* of the last step */
    int rectified, moved;
} Layer;

typedef struct Optimizer {
    long id, t;
    int automatic; /* the first gradient says how to warm up */
    Warmup warmup;
    double beta1, beta2; /* that the layers share */
    size_t count;
    Layer *layers;
    struct Optimizer *next;
} Optimizer;

static real norm(size_t n, const real *x)
{
    real sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* Momentum steps if the first gradient of the whole model is small, or else none. */
static Warmup first_batch(const Optimizer *o)
{
    double squares = 0, elements = 0, scale = (1 - o->beta1) / (1 - o->beta2);
    for (const Layer *l = o->layers; l < o->layers + o->count; l++)
        for (size_t i = 0; i < l->n && !l->frozen; i++, elements++)
            squares += (double)l->g[i] * l->g[i];
    if (elements == 0)
        return UNDECIDED;
    return squares / (elements * scale * scale) <= 0.5 ? MOMENTUM : NONE;
}

/* The direction of a step, and the ceiling of its trust ratio; 0 if there is none. */
static int direct(Layer *l, long t, Warmup warmup)
{
    const Hyper *h = &l->hyper;
    const double beta1_t = pow(h->beta1, (double)t), beta2_t = pow(h->beta2, (double)t);
    const double rho_inf = 2 / (1 - h->beta2) - 1;
    const double rho = rho_inf - 2 * (double)t * beta2_t / (1 - beta2_t);
    const real eps = h->eps, decay = h->weight_decay;

    l->rho = rho;
    l->rectified = rho > h->threshold;
    l->cap = h->scheduled ? 10 : h->cap;
    if (l->rectified) {
        const double r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
        const double b = sqrt(1 - beta2_t) / (1 - beta1_t);
        const real rb = r * b;
        for (size_t i = 0; i < l->n; i++) {
            l->s[i] = h->eps_inside_root ? sqrt(l->v[i] + eps) : sqrt(l->v[i]) + eps;
            l->d[i] = rb * l->m[i] / l->s[i] + decay * l->theta[i];
        }
        if (h->scheduled)
            l->cap = 1 / (r * b);
    } else if (warmup == MOMENTUM) {
        const real correction = 1 - beta1_t;
        for (size_t i = 0; i < l->n; i++)
            l->d[i] = l->m[i] / correction + decay * l->theta[i];
    }
    return l->rectified || warmup == MOMENTUM;
}

static real trust(const Layer *l)
{
    const real weights = norm(l->n, l->theta), direction = norm(l->n, l->d);
    if (weights == 0 || direction == 0 || !l->hyper.adapt)
        return 1;
    return fmax((real)l->hyper.lower, fmin((real)l->cap, weights / direction)); /* lower wins */
}

static void step_layer(Layer *l, long t, Warmup warmup)
{
    const Hyper *h = &l->hyper;
    const real beta1 = h->beta1, beta2 = h->beta2, rest1 = 1 - h->beta1, rest2 = 1 - h->beta2;
    const real l2 = h->l2, lr = l->lr, alpha = h->alpha, rest = 1 - h->alpha;

    for (size_t i = 0; i < l->n; i++) {
        const real g = l->g[i] + l2 * l->theta[i];
        l->m[i] = beta1 * l->m[i] + rest1 * g;
        l->v[i] = beta2 * l->v[i] + rest2 * (g * g);
    }
    l->moved = direct(l, t, warmup);
    if (l->moved) {
        const real ratio = trust(l);
        for (size_t i = 0; i < l->n; i++)
            l->theta[i] -= lr * ratio * l->d[i];
        l->trust = ratio;
    }
    if (t % h->k == 0)
        for (size_t i = 0; i < l->n; i++)
            l->theta[i] = l->slow[i] = rest * l->slow[i] + alpha * l->theta[i];
}

static void step(Optimizer *o)
{
    o->t++;
    if (o->automatic && o->warmup == UNDECIDED)
        o->warmup = first_batch(o);
    for (Layer *l = o->layers; l < o->layers + o->count; l++)
        if (!l->frozen)
            step_layer(l, o->t, o->warmup);
}

/* ------------------------------------------------------------------ requests and answers */

static Optimizer *optimizers;

static Warmup warmup_of(const char *value)
{
    return is(value, "\"momentum\"") ? MOMENTUM : is(value, "\"none\"") ? NONE : UNDECIDED;
}

static Hyper hyper_of(const char *object)
{
    Hyper h = {
        .beta1 = number(member(object, "beta1")),
        .beta2 = number(member(object, "beta2")),
        .eps = number(member(object, "eps")),
        .weight_decay = number(member(object, "weight_decay")),
        .l2 = number(member(object, "l2")),
        .threshold = number(member(object, "threshold")),
        .alpha = number(member(object, "alpha")),
        .lower = number(member(object, "lower")),
        .scheduled = is(member(object, "cap"), "\"rectified\""),
        .eps_inside_root = is(member(object, "eps_inside_root"), "true"),
        .adapt = !is(member(object, "adapt"), "false"),
        .k = atol(member(object, "k")),
    };
    if (!h.scheduled)
        h.cap = number(member(object, "cap"));
    return h;
}

static Layer layer_of(const char *object)
{
    Layer l = {.n = 1, .hyper = hyper_of(member(object, "hyper"))};
    for (const char *at = first(member(object, "shape")); at != NULL; at = next(at))
        l.n *= (size_t)atol(at);

    struct { const char *key; real **x; } slots[] = {
        {"theta", &l.theta}, {"m", &l.m}, {"v", &l.v}, {"slow", &l.slow},
        {"g", &l.g}, {"s", &l.s}, {"d", &l.d},
    };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        const char *given = member(object, slots[i].key);
        if (given == NULL && i == 3) /* without a state slow parameters are where it starts */
            given = member(object, "theta");
        *slots[i].x = memset(more(NULL, l.n * sizeof(real)), 0, l.n * sizeof(real));
        if (given != NULL)
            numbers(given, l.n, *slots[i].x);
    }
    return l;
}

static void start(const char *request)
{
    const char *spec = member(request, "spec"), *hyper = member(spec, "hyper");
    if (!is(member(spec, "algorithm"), "\"paratrooper\"")) {
        printf(",\"unsupported\":\"paratrooper is all that is here\"");
        return;
    }
    Optimizer *o = more(NULL, sizeof *o);
    *o = (Optimizer){
        .id = atol(member(request, "id")),
        .t = atol(member(request, "t")),
        .automatic = is(member(hyper, "warmup"), "\"auto\""),
        .beta1 = number(member(hyper, "beta1")),
        .beta2 = number(member(hyper, "beta2")),
        .next = optimizers,
    };
    o->warmup = warmup_of(member(o->automatic ? request : hyper, "warmup"));
    for (const char *at = first(member(request, "layers")); at != NULL; at = next(at)) {
        o->layers = more(o->layers, (o->count + 1) * sizeof *o->layers);
        o->layers[o->count++] = layer_of(at);
    }
    optimizers = o;
}

static void take(Optimizer *o, const char *request)
{
    Layer *l = o->layers;
    for (const char *at = first(member(request, "layers")); at != NULL; at = next(at), l++) {
        const char *g = member(at, "g");
        l->lr = number(member(at, "lr"));
        l->frozen = is(g, "null");
        if (!l->frozen)
            numbers(g, l->n, l->g);
    }
    step(o);
}

static void put_state(const Layer *l)
{
    put_numbers("theta", l->n, l->theta);
    put_numbers("m", l->n, l->m);
    put_numbers("v", l->n, l->v);
    put_numbers("slow", l->n, l->slow);
}

static void put_lines(const Layer *l)
{
    if (l->frozen)
        return;
    put_number("rho", l->rho);
    put_flag("rectified", l->rectified);
    if (l->rectified)
        put_numbers("denominator", l->n, l->s);
    if (l->moved) {
        put_numbers("direction", l->n, l->d);
        put_number("cap", l->cap);
        put_number("trust_ratio", l->trust);
    }
}

static void put_layers(const Optimizer *o, void (*put)(const Layer *))
{
    printf(",\"layers\":[");
    for (size_t i = 0; i < o->count; i++) {
        printf(i ? ",{" : "{");
        comma = "";
        put(&o->layers[i]);
        printf("}");
    }
    printf("]");
}

static void drop(Optimizer **link)
{
    Optimizer *o = *link;
    *link = o->next;
    for (Layer *l = o->layers; l < o->layers + o->count; l++) {
        real *slots[] = {l->theta, l->g, l->m, l->v, l->slow, l->s, l->d};
        for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
            free(slots[i]);
    }
    free(o->layers);
    free(o);
}

/* Answer a request about the optimizer that a link leads to. */
static void answer(const char *verb, const char *request, Optimizer **link)
{
    if (*link == NULL)
        printf(",\"error\":\"there is no such optimizer, or no such verb\"");
    else if (is(verb, "\"step\""))
        take(*link, request);
    else if (is(verb, "\"read\""))
        put_layers(*link, put_state);
    else if (is(verb, "\"probe\""))
        put_layers(*link, put_lines);
    else if (is(verb, "\"drop\""))
        drop(link);
    else
        printf(",\"error\":\"there is no such verb\"");
}

int main(void)
{
    for (const char *request; (request = next_line()) != NULL;) {
        const char *verb = member(request, "verb"), *id = member(request, "id");
        Optimizer **link = &optimizers;
        while (*link != NULL && (id == NULL || (*link)->id != atol(id)))
            link = &(*link)->next;

        printf("{\"seq\":%ld", atol(member(request, "seq")));
        if (is(verb, "\"hello\""))
            printf(",\"protocol\":\"paratrooper-ref process 1\",\"name\":\"Paratrooper in C\","
                   "\"profile\":{\"dtype\":\"" DTYPE "\"},\"verbs\":[\"probe\"]");
        else if (is(verb, "\"start\""))
            start(request);
        else if (!is(verb, "\"stop\""))
            answer(verb, request, link);
        printf("}\n");
        fflush(stdout);
        if (is(verb, "\"stop\""))
            break;
    }
    while (optimizers != NULL)
        drop(&optimizers);
    return 0;
}
