#include "default_set.h"

static const unsigned char alarms_png[] = {
#embed "evaluation/alarms.png"
};
static const unsigned char boarding_jpg[] = {
#embed "evaluation/boarding.jpg"
};
static const unsigned char bylaws_png[] = {
#embed "evaluation/bylaws.png"
};
static const unsigned char charts_jsonl[] = {
#embed "evaluation/charts.jsonl"
};
static const unsigned char claim_png[] = {
#embed "evaluation/claim.png"
};
static const unsigned char code_jsonl[] = {
#embed "evaluation/code.jsonl"
};
static const unsigned char dice_jpg[] = {
#embed "evaluation/dice.jpg"
};
static const unsigned char documents_jsonl[] = {
#embed "evaluation/documents.jsonl"
};
static const unsigned char doorbells_png[] = {
#embed "evaluation/doorbells.png"
};
static const unsigned char floor_plan_png[] = {
#embed "evaluation/floor_plan.png"
};
static const unsigned char languages_jsonl[] = {
#embed "evaluation/languages.jsonl"
};
static const unsigned char league_png[] = {
#embed "evaluation/league.png"
};
static const unsigned char lengths_png[] = {
#embed "evaluation/lengths.png"
};
static const unsigned char mail_png[] = {
#embed "evaluation/mail.png"
};
static const unsigned char meadow_jpg[] = {
#embed "evaluation/meadow.jpg"
};
static const unsigned char medicine_png[] = {
#embed "evaluation/medicine.png"
};
static const unsigned char network_png[] = {
#embed "evaluation/network.png"
};
static const unsigned char parking_jpg[] = {
#embed "evaluation/parking.jpg"
};
static const unsigned char postcard_jpg[] = {
#embed "evaluation/postcard.jpg"
};
static const unsigned char scenes_jsonl[] = {
#embed "evaluation/scenes.jsonl"
};
static const unsigned char screens_jsonl[] = {
#embed "evaluation/screens.jsonl"
};
static const unsigned char sheet_png[] = {
#embed "evaluation/sheet.png"
};
static const unsigned char shelf_a_jpg[] = {
#embed "evaluation/shelf_a.jpg"
};
static const unsigned char shelf_b_jpg[] = {
#embed "evaluation/shelf_b.jpg"
};
static const unsigned char slip_png[] = {
#embed "evaluation/slip.png"
};
static const unsigned char stacked_png[] = {
#embed "evaluation/stacked.png"
};
static const unsigned char taverna_png[] = {
#embed "evaluation/taverna.png"
};
static const unsigned char terminal_png[] = {
#embed "evaluation/terminal.png"
};
static const unsigned char texts_jsonl[] = {
#embed "evaluation/texts.jsonl"
};
static const unsigned char thermometer_a_png[] = {
#embed "evaluation/thermometer_a.png"
};
static const unsigned char thermometer_b_png[] = {
#embed "evaluation/thermometer_b.png"
};
static const unsigned char thermometer_c_png[] = {
#embed "evaluation/thermometer_c.png"
};
static const unsigned char tides_png[] = {
#embed "evaluation/tides.png"
};
static const unsigned char visits_png[] = {
#embed "evaluation/visits.png"
};

#define FILE_OF(array, name) {name, array, sizeof array}

static const struct tessera_default_file files[] = {
    FILE_OF(alarms_png, "alarms.png"),
    FILE_OF(boarding_jpg, "boarding.jpg"),
    FILE_OF(bylaws_png, "bylaws.png"),
    FILE_OF(charts_jsonl, "charts.jsonl"),
    FILE_OF(claim_png, "claim.png"),
    FILE_OF(code_jsonl, "code.jsonl"),
    FILE_OF(dice_jpg, "dice.jpg"),
    FILE_OF(documents_jsonl, "documents.jsonl"),
    FILE_OF(doorbells_png, "doorbells.png"),
    FILE_OF(floor_plan_png, "floor_plan.png"),
    FILE_OF(languages_jsonl, "languages.jsonl"),
    FILE_OF(league_png, "league.png"),
    FILE_OF(lengths_png, "lengths.png"),
    FILE_OF(mail_png, "mail.png"),
    FILE_OF(meadow_jpg, "meadow.jpg"),
    FILE_OF(medicine_png, "medicine.png"),
    FILE_OF(network_png, "network.png"),
    FILE_OF(parking_jpg, "parking.jpg"),
    FILE_OF(postcard_jpg, "postcard.jpg"),
    FILE_OF(scenes_jsonl, "scenes.jsonl"),
    FILE_OF(screens_jsonl, "screens.jsonl"),
    FILE_OF(sheet_png, "sheet.png"),
    FILE_OF(shelf_a_jpg, "shelf_a.jpg"),
    FILE_OF(shelf_b_jpg, "shelf_b.jpg"),
    FILE_OF(slip_png, "slip.png"),
    FILE_OF(stacked_png, "stacked.png"),
    FILE_OF(taverna_png, "taverna.png"),
    FILE_OF(terminal_png, "terminal.png"),
    FILE_OF(texts_jsonl, "texts.jsonl"),
    FILE_OF(thermometer_a_png, "thermometer_a.png"),
    FILE_OF(thermometer_b_png, "thermometer_b.png"),
    FILE_OF(thermometer_c_png, "thermometer_c.png"),
    FILE_OF(tides_png, "tides.png"),
    FILE_OF(visits_png, "visits.png"),
};

const struct tessera_default_file *tessera_evaluation_file(size_t index)
{
    return index < sizeof files / sizeof *files ? &files[index] : NULL;
}
