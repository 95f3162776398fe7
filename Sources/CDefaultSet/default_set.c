#include "default_set.h"

static const unsigned char after_jpg[] = {
#embed "set/after.jpg"
};
static const unsigned char balls_jpg[] = {
#embed "set/balls.jpg"
};
static const unsigned char banner_png[] = {
#embed "set/banner.png"
};
static const unsigned char bars_png[] = {
#embed "set/bars.png"
};
static const unsigned char before_jpg[] = {
#embed "set/before.jpg"
};
static const unsigned char blackboard_jpg[] = {
#embed "set/blackboard.jpg"
};
static const unsigned char calendar_png[] = {
#embed "set/calendar.png"
};
static const unsigned char card1_png[] = {
#embed "set/card1.png"
};
static const unsigned char card2_png[] = {
#embed "set/card2.png"
};
static const unsigned char card3_png[] = {
#embed "set/card3.png"
};
static const unsigned char chat_png[] = {
#embed "set/chat.png"
};
static const unsigned char clock_png[] = {
#embed "set/clock.png"
};
static const unsigned char code_jsonl[] = {
#embed "set/code.jsonl"
};
static const unsigned char curves_png[] = {
#embed "set/curves.png"
};
static const unsigned char editor_png[] = {
#embed "set/editor.png"
};
static const unsigned char english_jsonl[] = {
#embed "set/english.jsonl"
};
static const unsigned char evening_sky_jpg[] = {
#embed "set/evening_sky.jpg"
};
static const unsigned char flow_png[] = {
#embed "set/flow.png"
};
static const unsigned char form_png[] = {
#embed "set/form.png"
};
static const unsigned char invoice_png[] = {
#embed "set/invoice.png"
};
static const unsigned char languages_jsonl[] = {
#embed "set/languages.jsonl"
};
static const unsigned char letter_png[] = {
#embed "set/letter.png"
};
static const unsigned char map_of_valley_png[] = {
#embed "set/map_of_valley.png"
};
static const unsigned char mountains_jpg[] = {
#embed "set/mountains.jpg"
};
static const unsigned char pebbles_jpg[] = {
#embed "set/pebbles.jpg"
};
static const unsigned char pictures_jsonl[] = {
#embed "set/pictures.jsonl"
};
static const unsigned char pie_png[] = {
#embed "set/pie.png"
};
static const unsigned char poster_jpg[] = {
#embed "set/poster.jpg"
};
static const unsigned char receipt_png[] = {
#embed "set/receipt.png"
};
static const unsigned char road_sign_jpg[] = {
#embed "set/road_sign.jpg"
};
static const unsigned char scatter_png[] = {
#embed "set/scatter.png"
};
static const unsigned char settings_png[] = {
#embed "set/settings.png"
};
static const unsigned char shapes_png[] = {
#embed "set/shapes.png"
};
static const unsigned char skyline_jpg[] = {
#embed "set/skyline.jpg"
};
static const unsigned char stone_jpg[] = {
#embed "set/stone.jpg"
};
static const unsigned char timetable_png[] = {
#embed "set/timetable.png"
};
static const unsigned char warning_png[] = {
#embed "set/warning.png"
};

#define FILE_OF(array, name) {name, array, sizeof array}

static const struct tessera_default_file files[] = {
    FILE_OF(after_jpg, "after.jpg"),
    FILE_OF(balls_jpg, "balls.jpg"),
    FILE_OF(banner_png, "banner.png"),
    FILE_OF(bars_png, "bars.png"),
    FILE_OF(before_jpg, "before.jpg"),
    FILE_OF(blackboard_jpg, "blackboard.jpg"),
    FILE_OF(calendar_png, "calendar.png"),
    FILE_OF(card1_png, "card1.png"),
    FILE_OF(card2_png, "card2.png"),
    FILE_OF(card3_png, "card3.png"),
    FILE_OF(chat_png, "chat.png"),
    FILE_OF(clock_png, "clock.png"),
    FILE_OF(code_jsonl, "code.jsonl"),
    FILE_OF(curves_png, "curves.png"),
    FILE_OF(editor_png, "editor.png"),
    FILE_OF(english_jsonl, "english.jsonl"),
    FILE_OF(evening_sky_jpg, "evening_sky.jpg"),
    FILE_OF(flow_png, "flow.png"),
    FILE_OF(form_png, "form.png"),
    FILE_OF(invoice_png, "invoice.png"),
    FILE_OF(languages_jsonl, "languages.jsonl"),
    FILE_OF(letter_png, "letter.png"),
    FILE_OF(map_of_valley_png, "map_of_valley.png"),
    FILE_OF(mountains_jpg, "mountains.jpg"),
    FILE_OF(pebbles_jpg, "pebbles.jpg"),
    FILE_OF(pictures_jsonl, "pictures.jsonl"),
    FILE_OF(pie_png, "pie.png"),
    FILE_OF(poster_jpg, "poster.jpg"),
    FILE_OF(receipt_png, "receipt.png"),
    FILE_OF(road_sign_jpg, "road_sign.jpg"),
    FILE_OF(scatter_png, "scatter.png"),
    FILE_OF(settings_png, "settings.png"),
    FILE_OF(shapes_png, "shapes.png"),
    FILE_OF(skyline_jpg, "skyline.jpg"),
    FILE_OF(stone_jpg, "stone.jpg"),
    FILE_OF(timetable_png, "timetable.png"),
    FILE_OF(warning_png, "warning.png"),
};

const struct tessera_default_file *tessera_default_file(size_t index)
{
    return index < sizeof files / sizeof *files ? &files[index] : NULL;
}
