/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/shop_words.h"

/* clang-format off */
const struct shop_words_category shop_categories[SHOP_CATEGORIES] = {
    {"kitchen/tea", "kitchen/tableware", 12, true, {{"Green Tea", "绿茶"}, {"Black Tea", "红茶"}, {"Oolong Tea", "乌龙茶"}}},
    {"kitchen/coffee", "kitchen/tableware", 15, true, {{"Coffee Beans", "咖啡豆"}, {"Drip Coffee", "挂耳咖啡"}, {"Espresso", "意式浓缩"}}},
    {"kitchen/cookware", "kitchen/knives", 55, false, {{"Frying Pan", "煎锅"}, {"Wok", "炒锅"}, {"Stock Pot", "汤锅"}}},
    {"kitchen/knives", "kitchen/cookware", 40, false, {{"Chef Knife", "主厨刀"}, {"Cleaver", "菜刀"}, {"Bread Knife", "面包刀"}}},
    {"kitchen/tableware", "kitchen/tea", 25, false, {{"Teapot", "茶壶"}, {"Bowl Set", "碗具套装"}, {"Mug", "马克杯"}}},
    {"home/lighting", "home/storage", 48, false, {{"Desk Lamp", "台灯"}, {"Floor Lamp", "落地灯"}, {"Night Light", "小夜灯"}}},
    {"home/bedding", "home/bath", 70, false, {{"Duvet", "羽绒被"}, {"Pillow", "枕头"}, {"Sheet Set", "床单套装"}}},
    {"home/bath", "beauty/haircare", 22, false, {{"Bath Towel", "浴巾"}, {"Bath Mat", "浴室垫"}, {"Robe", "浴袍"}}},
    {"home/storage", "home/lighting", 28, false, {{"Storage Box", "收纳箱"}, {"Shelf", "置物架"}, {"Basket", "收纳篮"}}},
    {"home/rugs", "home/lighting", 120, false, {{"Wool Rug", "羊毛地毯"}, {"Runner", "走廊地毯"}, {"Door Mat", "门垫"}}},
    {"clothing/shirts", "clothing/trousers", 35, false, {{"T-Shirt", "T恤"}, {"Oxford Shirt", "牛津衬衫"}, {"Polo", "保罗衫"}}},
    {"clothing/trousers", "clothing/shirts", 55, false, {{"Jeans", "牛仔裤"}, {"Chinos", "休闲裤"}, {"Shorts", "短裤"}}},
    {"clothing/jackets", "clothing/knitwear", 110, false, {{"Rain Jacket", "雨衣"}, {"Down Jacket", "羽绒服"}, {"Denim Jacket", "牛仔外套"}}},
    {"clothing/dresses", "shoes/sandals", 75, false, {{"Summer Dress", "夏季连衣裙"}, {"Evening Dress", "晚礼服"}, {"Skirt", "半身裙"}}},
    {"clothing/knitwear", "clothing/jackets", 65, false, {{"Cardigan", "开衫"}, {"Sweater", "毛衣"}, {"Scarf", "围巾"}}},
    {"shoes/sneakers", "shoes/socks", 80, false, {{"Canvas Sneaker", "帆布鞋"}, {"Leather Sneaker", "皮面板鞋"}, {"Slip-On", "一脚蹬"}}},
    {"shoes/boots", "shoes/socks", 130, false, {{"Hiking Boot", "登山靴"}, {"Chelsea Boot", "切尔西靴"}, {"Snow Boot", "雪地靴"}}},
    {"shoes/sandals", "beauty/skincare", 45, false, {{"Sandal", "凉鞋"}, {"Flip-Flop", "人字拖"}, {"Clog", "洞洞鞋"}}},
    {"shoes/running", "shoes/socks", 105, false, {{"Running Shoe", "跑步鞋"}, {"Trail Shoe", "越野跑鞋"}, {"Racing Flat", "竞速跑鞋"}}},
    {"shoes/socks", "shoes/running", 9, true, {{"Sport Socks", "运动袜"}, {"Wool Socks", "羊毛袜"}, {"Ankle Socks", "短袜"}}},
    {"outdoor/tents", "outdoor/sleeping", 220, false, {{"Two-Person Tent", "双人帐篷"}, {"Family Tent", "家庭帐篷"}, {"Tarp", "天幕"}}},
    {"outdoor/sleeping", "outdoor/tents", 95, false, {{"Sleeping Bag", "睡袋"}, {"Camping Mat", "防潮垫"}, {"Hammock", "吊床"}}},
    {"outdoor/backpacks", "outdoor/bottles", 85, false, {{"Daypack", "双肩包"}, {"Trekking Pack", "登山包"}, {"Waist Pack", "腰包"}}},
    {"outdoor/bottles", "outdoor/backpacks", 24, false, {{"Steel Bottle", "不锈钢水壶"}, {"Thermos", "保温杯"}, {"Soft Flask", "软水袋"}}},
    {"outdoor/cycling", "outdoor/bottles", 60, false, {{"Bike Helmet", "骑行头盔"}, {"Bike Light", "自行车灯"}, {"Bike Lock", "自行车锁"}}},
    {"electronics/headphones", "electronics/chargers", 99, false, {{"Headphones", "头戴耳机"}, {"Earbuds", "无线耳塞"}, {"Gaming Headset", "游戏耳机"}}},
    {"electronics/speakers", "electronics/chargers", 130, false, {{"Bookshelf Speaker", "书架音箱"}, {"Bluetooth Speaker", "蓝牙音箱"}, {"Soundbar", "回音壁"}}},
    {"electronics/keyboards", "electronics/chargers", 75, false, {{"Mechanical Keyboard", "机械键盘"}, {"Mouse", "鼠标"}, {"Numpad", "数字键盘"}}},
    {"electronics/chargers", "electronics/headphones", 29, false, {{"Charger", "充电器"}, {"Power Bank", "移动电源"}, {"USB-C Cable", "数据线"}}},
    {"electronics/cameras", "electronics/chargers", 480, false, {{"Mirrorless Camera", "微单相机"}, {"Prime Lens", "定焦镜头"}, {"Tripod", "三脚架"}}},
    {"beauty/skincare", "beauty/makeup", 32, true, {{"Face Cream", "面霜"}, {"Sunscreen", "防晒霜"}, {"Serum", "精华液"}}},
    {"beauty/makeup", "beauty/skincare", 26, false, {{"Lipstick", "口红"}, {"Mascara", "睫毛膏"}, {"Foundation", "粉底液"}}},
    {"beauty/haircare", "home/bath", 18, true, {{"Shampoo", "洗发水"}, {"Hair Mask", "发膜"}, {"Hair Oil", "护发精油"}}},
    {"beauty/fragrance", "beauty/makeup", 85, false, {{"Eau de Parfum", "香水"}, {"Cologne", "古龙水"}, {"Scented Candle", "香薰蜡烛"}}},
    {"beauty/oral", "home/bath", 14, true, {{"Toothpaste", "牙膏"}, {"Toothbrush", "牙刷"}, {"Mouthwash", "漱口水"}}},
    {"kids/blocks", "kids/crafts", 38, false, {{"Building Blocks", "积木"}, {"Train Set", "火车轨道"}, {"Marble Run", "滚珠轨道"}}},
    {"kids/plush", "kids/books", 24, false, {{"Plush Panda", "毛绒熊猫"}, {"Plush Rabbit", "毛绒兔"}, {"Plush Fox", "毛绒狐狸"}}},
    {"kids/books", "kids/plush", 14, false, {{"Picture Book", "绘本"}, {"Pop-Up Book", "立体书"}, {"Atlas", "地图册"}}},
    {"kids/prams", "kids/plush", 310, false, {{"Stroller", "婴儿车"}, {"Baby Carrier", "婴儿背带"}, {"Car Seat", "安全座椅"}}},
    {"kids/crafts", "kids/blocks", 19, true, {{"Crayons", "蜡笔"}, {"Clay", "彩泥"}, {"Paper Craft", "手工纸"}}},
};

const struct shop_words_brand shop_brands[SHOP_BRANDS] = {
    {{"Northwind", "北风"}, 1.0}, {{"Lumen", "流明"}, 1.3}, {{"Haru", "春日"}, 0.8}, {{"Kestrel", "红隼"}, 1.6},
    {{"Basalt", "玄武"}, 1.1}, {{"Willow", "柳岸"}, 0.7}, {{"Meridian", "子午"}, 1.5}, {{"Tidewater", "潮汐"}, 0.9},
    {{"Juniper", "杜松"}, 1.0}, {{"Foxglove", "毛地黄"}, 1.2}, {{"Solis", "日光"}, 0.6}, {{"Granite", "花岗"}, 1.4},
    {{"Marigold", "金盏"}, 0.8}, {{"Osprey Bay", "鹗湾"}, 1.7}, {{"Paper Crane", "纸鹤"}, 0.7}, {{"Cinder", "余烬"}, 1.1},
    {{"Blue Heron", "蓝鹭"}, 1.3}, {{"Sparrow", "麻雀"}, 0.6}, {{"Larch", "落叶松"}, 1.0}, {{"Harbour", "港湾"}, 0.9},
    {{"Quill", "羽笔"}, 1.2}, {{"Ember", "暖炉"}, 0.8}, {{"Vega", "织女星"}, 1.8}, {{"Moss", "青苔"}, 0.9},
    {{"Tundra", "苔原"}, 1.4}, {{"Saffron", "藏红花"}, 1.1}, {{"Clover", "三叶草"}, 0.7}, {{"Onyx", "缟玛瑙"}, 2.1},
    {{"Drift", "漂流"}, 0.8}, {{"Rowan", "花楸"}, 1.0}, {{"Cobalt", "钴蓝"}, 1.2}, {{"Plum Rain", "梅雨"}, 0.9},
};

const struct shop_words_pair shop_styles[SHOP_STYLES] = {
    {"Classic", "经典"}, {"Compact", "小巧"}, {"Large", "大号"}, {"Travel", "旅行"}, {"Pro", "专业"}, {"Everyday", "日常"},
    {"Premium", "高级"}, {"Eco", "环保"}, {"Soft", "柔软"}, {"Matte", "哑光"}, {"Vintage", "复古"}, {"Mini", "迷你"},
};
/* clang-format on */
